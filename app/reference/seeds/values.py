"""First values of the lists, to be confirmed by the Région: the official contents are not public.

Each list says where its values come from: ``guide`` (seen in a user guide or its screenshots), ``norm`` (a published
nomenclature) or ``proposal`` (a starting point, to keep or replace). All are editable on screen.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

#: The "AGORA" version of the application went into service then (guide 000); earlier registrations keep their values.
START: Final = date(2020, 10, 1)

Rows = list[dict[str, Any]]


def _rows(*values: tuple[str, str]) -> Rows:
    return [{"code": code, "label": label} for code, label in values]


# guide 000, "Dispositifs concernés par le flux": all but AVENIR go to AGORA with the NIR.
PROGRAMMES: Rows = [
    {"code": "QUALIFPRO", "label": "QUALIF PRO", "kind": "market", "agora_code": "QUALIFPRO"},
    {"code": "PROJETPRO", "label": "PROJET PRO", "kind": "market", "agora_code": "PROJETPRO"},
    {"code": "DECLIC", "label": "DECLIC", "kind": "market", "agora_code": "DECLIC"},
    {"code": "LECTIO", "label": "LECTIO", "kind": "market", "agora_code": "LECTIO"},
    {"code": "E2CR", "label": "E2CR", "kind": "market", "agora_code": "E2CR"},
    {"code": "FORPROSUP", "label": "FORPRO SUP", "kind": "convention", "agora_code": "FORPROSUP", "closing_on_request": True},
    {"code": "AVENIR", "label": "AVENIR", "kind": "market", "agora_enabled": False, "nir_required": False},
]

# norm: decree 2019-14 and LHEO 2.3; France Travail codes of levels 1 and 2 are approximate.
LEVELS: Rows = [
    {"number": 1, "label": "Savoirs de base", "lheo_code": "11", "lheo_old_code": "2", "france_travail_code": "CP4"},
    {"number": 2, "label": "Fin de scolarité obligatoire", "lheo_code": "12", "lheo_old_code": "3", "france_travail_code": "CFG, C3A, C12"},
    {"number": 3, "label": "CAP, BEP", "old_label": "V", "lheo_code": "13", "lheo_old_code": "4", "france_travail_code": "NV5"},
    {"number": 4, "label": "Baccalauréat", "old_label": "IV", "lheo_code": "14", "lheo_old_code": "5", "france_travail_code": "NV4"},
    {"number": 5, "label": "BTS, DUT (bac + 2)", "old_label": "III", "lheo_code": "15", "lheo_old_code": "6", "france_travail_code": "NV3"},
    {
        "number": 6,
        "label": "Licence, BUT, maîtrise (bac + 3 et bac + 4)",
        "old_label": "II",
        "lheo_code": "16",
        "lheo_old_code": "7",
        "france_travail_code": "NV2",
    },
    {"number": 7, "label": "Master, diplôme d’ingénieur (bac + 5)", "old_label": "I", "lheo_code": "17", "lheo_old_code": "8", "france_travail_code": "NV1"},
    {"number": 8, "label": "Doctorat", "old_label": "I", "lheo_code": "18", "lheo_old_code": "8", "france_travail_code": "NV1"},
]

PUBLIC_CATEGORIES: Rows = _rows(
    ("FPS_PIC", "FORPRO SUP – public fléché PIC"),  # guide 001
    ("FICHE_NAVETTE", "Public orienté par la fiche navette"),  # guide 001
    ("DE", "Demandeur d’emploi"),  # norm: Formacode publics, as the next ones
    ("JEUNE", "Jeune de 16 à 25 ans"),
    ("TH", "Personne handicapée"),
    ("DETENU", "Personne détenue"),
    ("TOUT", "Tout public"),
)

GENERAL_OBJECTIVES: Rows = [
    # guide 000
    {"code": "RETOUR_EMPLOI", "label": "Formations qualifiantes / certifiantes au service du retour à l’emploi"},
    # norm: LHEO 2.3, dict-AIS
    {"code": "AIS6", "label": "Certification"},
    {"code": "AIS7", "label": "Professionnalisation"},
    {"code": "AIS8", "label": "Préparation à la qualification"},
    {"code": "AIS5", "label": "Remise à niveau, maîtrise des savoirs de base, initiation"},
    {"code": "AIS9", "label": "(Re)mobilisation, aide à l’élaboration de projet professionnel"},
    {"code": "AIS2", "label": "Perfectionnement, élargissement des compétences"},
    {"code": "AIS4", "label": "Création d’entreprise"},
]

PROFESSIONAL_SITUATIONS: Rows = _rows(
    ("1", "Demandeur d’emploi depuis moins d’un an"),  # proposal
    ("2", "Demandeur d’emploi longue durée"),  # guide 000
    ("3", "Inactif"),  # proposal, as the next ones (situations of the European social fund)
    ("4", "Salarié"),
    ("5", "Indépendant"),
)

# proposal; the guides only tell "sortie anticipée ou non".
EXIT_REASONS: Rows = [
    {"code": "FIN", "label": "Fin de la formation", "early": False},
    {"code": "EMPLOI", "label": "Accès à l’emploi", "early": True},
    {"code": "AUTRE_FORMATION", "label": "Entrée dans une autre formation", "early": True},
    {"code": "SANTE", "label": "Raison de santé", "early": True},
    {"code": "PERSONNEL", "label": "Raison personnelle ou familiale", "early": True},
    {"code": "ABANDON", "label": "Abandon sans motif connu", "early": True},
    {"code": "EXCLUSION", "label": "Exclusion", "early": True},
    {"code": "FORCE_MAJEURE", "label": "Force majeure", "early": True},
    {"code": "CHANGEMENT_COMPOSANTE", "label": "Changement de composante", "early": True},  # given by the portal: exit of one, entry on another
]

# proposal: "Nationalité" is asked by guide 000 without its values.
NATIONALITIES: Rows = _rows(("FR", "Française"), ("UE", "Union européenne"), ("HUE", "Hors Union européenne"))

# guide 000 shows 5; the others follow the same scale (CITE, counted from 1): proposal.
LAST_CLASSES: Rows = _rows(
    ("1", "Aucune scolarité"),
    ("2", "Enseignement primaire"),
    ("3", "Premier cycle de l’enseignement secondaire (collège)"),
    ("4", "Deuxième cycle de l’enseignement secondaire (lycée)"),
    ("5", "Enseignement post-secondaire non-supérieur"),
    ("6", "Enseignement supérieur de cycle court"),
    ("7", "Niveau licence"),
    ("8", "Niveau master"),
    ("9", "Niveau doctorat"),
)
HIGHEST_DIPLOMAS: Rows = _rows(
    ("1", "Aucun diplôme"),
    ("2", "Certificat de formation générale (CFG)"),
    ("3", "Diplôme national du brevet"),
    ("4", "CAP, BEP, baccalauréat"),
    ("5", "Diplôme d’accès aux études universitaires (DAEU), Capacité en droit, Brevet de compagnon"),
    ("6", "BTS, DUT, DEUST"),
    ("7", "Licence, BUT"),
    ("8", "Master, diplôme d’ingénieur"),
    ("9", "Doctorat"),
)

# norm: codes of the paying agency (the nine first are attested), proposal for the rest.
STREET_TYPES: Rows = _rows(
    ("RUE", "Rue"),
    ("AV", "Avenue"),
    ("BD", "Boulevard"),
    ("ALL", "Allée"),
    ("CHEM", "Chemin"),
    ("IMP", "Impasse"),
    ("PL", "Place"),
    ("RTE", "Route"),
    ("SQ", "Square"),
    ("CRS", "Cours"),
    ("FG", "Faubourg"),
    ("HAM", "Hameau"),
    ("LD", "Lieu-dit"),
    ("LOT", "Lotissement"),
    ("PAS", "Passage"),
    ("QU", "Quai"),
    ("QUA", "Quartier"),
    ("RES", "Résidence"),
    ("RPT", "Rond-point"),
    ("SEN", "Sentier"),
)

# guide 000 shows "En emploi"; proposal for the rest.
SURVEY_SITUATIONS: Rows = [
    {"code": "EMPLOI", "label": "En emploi", "employed": True},
    {"code": "RECHERCHE", "label": "En recherche d’emploi"},
    {"code": "FORMATION", "label": "En formation ou en reprise d’études"},
    {"code": "CREATION", "label": "En création ou reprise d’entreprise"},
    {"code": "SERVICE_CIVIQUE", "label": "En service civique ou en stage"},
    {"code": "SANS_RECHERCHE", "label": "Sans emploi et sans recherche d’emploi"},
    {"code": "INCONNUE", "label": "Situation non connue"},
]

# guide 000 shows "Contrat à durée déterminée compris entre 3 et 6 mois"; proposal for the rest.
EMPLOYMENT_CONTRACTS: Rows = _rows(
    ("CDI", "Contrat à durée indéterminée"),
    ("CDD_PLUS_6", "Contrat à durée déterminée de plus de 6 mois"),
    ("CDD_3_6", "Contrat à durée déterminée compris entre 3 et 6 mois"),
    ("CDD_MOINS_3", "Contrat à durée déterminée de moins de 3 mois"),
    ("INTERIM", "Contrat de travail temporaire (intérim)"),
    ("ALTERNANCE", "Contrat d’apprentissage ou de professionnalisation"),
    ("AIDE", "Contrat aidé ou d’insertion"),
    ("INDEPENDANT", "Travailleur indépendant"),
)

# norm: sections of the NAF rév. 2.
PROFESSIONAL_SECTORS: Rows = _rows(
    ("A", "Agriculture, sylviculture et pêche"),
    ("B", "Industries extractives"),
    ("C", "Industrie manufacturière"),
    ("D", "Production et distribution d’électricité, de gaz, de vapeur et d’air conditionné"),
    ("E", "Eau, assainissement, gestion des déchets et dépollution"),
    ("F", "Construction"),
    ("G", "Commerce, réparation d’automobiles et de motocycles"),
    ("H", "Transports et entreposage"),
    ("I", "Hébergement et restauration"),
    ("J", "Information et communication"),
    ("K", "Activités financières et d’assurance"),
    ("L", "Activités immobilières"),
    ("M", "Activités spécialisées, scientifiques et techniques"),
    ("N", "Activités de services administratifs et de soutien"),
    ("O", "Administration publique"),
    ("P", "Enseignement"),
    ("Q", "Santé humaine et action sociale"),
    ("R", "Arts, spectacles et activités récréatives"),
    ("S", "Autres activités de services"),
    ("T", "Ménages employeurs de personnel domestique"),
    ("U", "Activités extra-territoriales"),
)

# guide 000 shows "Employés"; norm: the six groups of people at work of the PCS (INSEE).
SOCIO_PROFESSIONAL_CATEGORIES: Rows = _rows(
    ("1", "Agriculteurs exploitants"),
    ("2", "Artisans, commerçants et chefs d’entreprise"),
    ("3", "Cadres et professions intellectuelles supérieures"),
    ("4", "Professions intermédiaires"),
    ("5", "Employés"),
    ("6", "Ouvriers"),
)

# guides 000 and 003: places of the screenshots. Demonstration only.
DEMO_SITES: Rows = [
    {"name": "Centre de formation de Toulouse", "postal_code": "31100", "insee_code": "31555", "town": "TOULOUSE"},
    {"name": "Antenne de Limoux", "postal_code": "11300", "insee_code": "11206", "town": "LIMOUX"},
    {"name": "Centre de formation de Narbonne", "postal_code": "11100", "insee_code": "11262", "town": "NARBONNE"},
    {"name": "Plateau technique de Montpellier", "postal_code": "34000", "insee_code": "34172", "town": "MONTPELLIER"},
]

# guides 001, 003 and 004, "Contacts et assistance". Demonstration only: a Région enters its own.
DEMO_CONTACTS: Rows = [
    {
        "subject": "Incidents techniques",
        "text": "Serveur non disponible, lenteur de la plate-forme…",
        "phone": "01 53 43 05 44",
        "hours": "de 9 h à 19 h les jours ouvrés",
        "email": "support.mpe@atexo.com",
    },
    {"subject": "Problèmes de compte", "email": "sigma@laregion.fr"},
    {
        "subject": "Données QUALIF PRO",
        "text": "Bon de commande, réalisation, demandes de modification en ligne…",
        "email": "qualifpro@laregion.fr",
        "programme": "QUALIFPRO",
    },
    {"subject": "Données LECTIO", "email": "lectio@laregion.fr", "programme": "LECTIO"},
    {"subject": "Données AVENIR", "email": "avenir@laregion.fr", "programme": "AVENIR"},
    {"subject": "Données PROJET PRO", "email": "projetpro@laregion.fr", "programme": "PROJETPRO"},
    {"subject": "Données FORPRO SUP", "email": "forprosup@laregion.fr", "programme": "FORPROSUP"},
    {"subject": "Facturation", "text": "Précisez le n° de BDC et le référent administratif et financier de la Région.", "email": "selfi@laregion.fr"},
    {"subject": "Rémunération des stagiaires", "email": "remuneration@laregion.fr"},
]
