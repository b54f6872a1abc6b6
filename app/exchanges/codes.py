"""First texts of the catalogue of partner codes: every code of the contract, and the portal's own words for what is no answer.

Offered once: what the Région edited or deleted since never comes back.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from app.core.outbox.errors import Cause
from app.core.outbox.store import WORKER_LOST
from app.partners.agora.port import Contradiction
from app.trainees.agora import FILE_OVER, NO_NUMBER

from .domain import Actor, Nature

#: Families: the entry that speaks for all codes of a kind which have none of their own.
ANY_HTTP: Final = "HTTP_4XX"
ANY_FAULT: Final = "FAULT"
NOTHING_TO_SEND: Final = "nothing_to_send"
#: A list of files whose pages come to no end.
ENDLESS: Final = "endless_pages"


class Code(NamedTuple):
    """One entry, in the order of the columns of the screen."""

    code: str
    nature: Nature
    actor: Actor
    cause: str
    remedy: str
    replay: bool = True
    path: str | None = None


_F, _T = Nature.FUNCTIONAL, Nature.TECHNICAL
_OF, _REGION, _SUPPORT, _AGORA, _NOBODY = Actor.ORGANISATION, Actor.REGION, Actor.SUPPORT, Actor.AGORA, Actor.NOBODY
_MEND = "Corrigez la donnée indiquée, puis enregistrez : l’envoi repart de lui-même."
_BY_ITSELF = "Rien à faire : l’envoi est retenté de lui-même jusqu’à ce qu’AGORA réponde."
_TELL = "Signalez-le à l’assistance en donnant le numéro de l’échange ; une fois la cause corrigée, renvoyez-le."

# ruff: noqa: E501 - an entry reads best on its lines
CODES: Final[tuple[Code, ...]] = (
    # ---- what AGORA says of the person --------------------------------------------------------------------------------
    Code(
        "ID_INCONNUE", _F, _OF, "AGORA ne connaît personne sous ce NIR et ce nom de naissance.",
        "Vérifiez le NIR, sa clé et le nom de naissance sur l’attestation de droits, et corrigez la fiche : l’envoi repart de lui-même.", True, "holder.nir",
    ),
    Code(
        "NIR_INVALIDE", _F, _OF, "AGORA n’accepte pas ce NIR.",
        "Vérifiez le NIR et sa clé sur l’attestation de droits ; un NIA ne s’envoie pas. Corrigez la fiche : l’envoi repart de lui-même.", True, "holder.nir",
    ),
    Code(
        "NOM_DISCORDANT", _F, _OF, "AGORA connaît ce NIR sous un autre nom de naissance.",
        "Saisissez le nom de naissance tel qu’il figure sur l’attestation de droits, et non le nom d’usage : l’envoi repart de lui-même.", True, "holder.birth_name",
    ),
    # ---- what it says of the data --------------------------------------------------------------------------------------
    Code("DONNEES_INVALIDES", _F, _OF, "AGORA refuse une ou plusieurs données du dossier, nommées ci-dessous.", _MEND),
    Code("DONNEE_INVALIDE", _F, _OF, "Une donnée n’est pas celle qu’AGORA attend.", _MEND),
    Code("DONNEE_OBLIGATOIRE", _F, _OF, "Une donnée qu’AGORA exige n’est pas renseignée.", _MEND),
    Code("FORMAT_INVALIDE", _F, _OF, "Une donnée n’est pas écrite comme AGORA l’attend.", _MEND),
    Code("HORS_BORNES", _F, _OF, "Un nombre est trop petit ou trop grand pour AGORA.", _MEND),
    Code("TROP_LONG", _F, _OF, "Un texte est plus long qu’AGORA ne l’accepte.", "Raccourcissez la donnée indiquée, puis enregistrez : l’envoi repart de lui-même."),
    Code(
        "VALEUR_INCONNUE", _F, _REGION, "AGORA ne connaît pas la valeur choisie dans une liste.",
        "La Région vérifie le code AGORA de cette valeur dans les référentiels, puis renvoie l’échange.",
    ),
    Code(
        "DATE_INCOHERENTE", _F, _OF, "Les dates se contredisent : une sortie ou une fin prévue précède l’entrée.",
        "Vérifiez les dates d’entrée, de fin prévue et de sortie, et corrigez-les : l’envoi repart de lui-même.", True, "planned_end",
    ),
    Code(
        "VOLUME_NUL", _F, _OF, "Les heures en centre et en entreprise sont toutes à zéro.",
        "Saisissez les heures en centre, en entreprise ou les deux : l’envoi repart de lui-même.", True, "hours_centre",
    ),
    # ---- what it says of the file --------------------------------------------------------------------------------------
    Code(
        "TRANSITION_INTERDITE", _F, _REGION, "Le dossier est chez AGORA à un statut qui n’autorise pas cet événement.",
        "La Région compare le dossier avec celui d’AGORA : lancez un rapprochement, puis renvoyez l’échange ou déclarez-le réglé en disant pourquoi.",
    ),
    Code(
        "DOSSIER_INCONNU", _F, _REGION, "AGORA ne connaît pas le numéro de dossier que le portail lui donne.",
        "La Région lance un rapprochement pour retrouver le dossier ; s’il a disparu chez AGORA, elle le signale à AGORA.",
    ),
    Code(
        "DOSSIER_EXISTANT", _F, _SUPPORT, "AGORA dit tenir déjà ce dossier, sans qu’il ait pu être relu.",
        "Renvoyez l’échange : le portail relira le dossier existant. Si le refus revient, écrivez à l’assistance.",
    ),
    Code(
        NO_NUMBER, _F, _REGION, "Le portail ne connaît pas le numéro du dossier : sa création a été réglée à la main.",
        "La Région lance un rapprochement : si le dossier existe chez AGORA, son numéro est repris et l’envoi peut repartir. Sinon elle prévient AGORA "
        "et déclare l’échange réglé.",
    ),
    Code(
        FILE_OVER, _F, _REGION, "Le dossier AGORA est clos ou annulé : l’événement n’a pas été envoyé.",
        "Si ce qui est saisi au portail est juste, la Région le signale à AGORA et déclare l’échange réglé en disant pourquoi.", False,
    ),
    # ---- answers that contradict what the portal holds: nothing of them is kept ---------------------------------------------
    Code(
        Contradiction.NUMBER_TAKEN.value, _F, _REGION, "AGORA a répondu un numéro de dossier que porte déjà une autre inscription : rien n’en a été retenu.",
        "La Région demande à AGORA à qui est ce numéro et lui fait rétablir le bon, puis renvoie l’échange.",
    ),
    Code(
        Contradiction.OTHER_NUMBER.value, _F, _REGION, "AGORA a répondu un autre numéro que celui que le portail tient pour ce dossier : rien n’en a été retenu.",
        "La Région demande à AGORA lequel des deux numéros est le bon : si c’est celui du portail, elle renvoie l’échange ; sinon elle lance un rapprochement.",
    ),
    Code(
        Contradiction.OTHER_REFERENCE.value, _F, _REGION, "AGORA a répondu à propos d’une autre inscription que celle qui lui était envoyée : rien n’en a été retenu.",
        "La Région le signale à AGORA avec le numéro de l’échange, puis le renvoie quand AGORA est réparé.",
    ),
    Code(
        Contradiction.MALFORMED_NUMBER.value, _F, _REGION, "AGORA a répondu un numéro de dossier qui n’a pas la forme convenue : rien n’en a été retenu.",
        "La Région le signale à AGORA avec le numéro de l’échange, puis le renvoie quand AGORA est réparé.",
    ),
    Code(
        Contradiction.UNKNOWN_STATUS.value, _F, _REGION, "AGORA a répondu un statut de dossier que le contrat d’échange ne connaît pas : rien n’en a été retenu.",
        "La Région demande à AGORA ce que veut dire ce statut ; AGORA réparé ou le portail mis à jour, elle renvoie l’échange.",
    ),
    Code(
        Contradiction.OLDER_VERSION.value, _F, _REGION, "AGORA a répondu une version du dossier plus ancienne que celle qu’il avait déjà donnée : rien n’en a été retenu.",
        "La Région demande à AGORA si le dossier a été restauré, lance un rapprochement, puis renvoie l’échange.",
    ),
    Code(
        NOTHING_TO_SEND, _F, _NOBODY, "Au moment de l’envoi, il n’y avait plus rien à dire à AGORA.",
        "Rien à faire : la donnée avait changé, ou la personne n’a pas de NIR.", False,
    ),
    # ---- what it says of our call --------------------------------------------------------------------------------------
    Code(
        "CLE_REUTILISEE", _T, _SUPPORT, "AGORA a déjà reçu, sous la même clé d’envoi, un message différent.",
        "Renvoyez l’échange : il repart sous une nouvelle clé. Si le refus revient, signalez-le à l’assistance en donnant le numéro de l’échange.",
    ),
    Code("TYPE_INVALIDE", _T, _SUPPORT, "Une donnée n’a pas le type que le contrat d’échange prévoit.", _TELL),
    Code("JSON_INVALIDE", _T, _SUPPORT, "AGORA n’a pas pu lire le message.", _TELL),
    Code("ENTETE_INVALIDE", _T, _SUPPORT, "AGORA n’accepte pas l’en-tête technique du message.", _TELL),
    Code("VECTEUR_INVALIDE", _T, _SUPPORT, "AGORA n’accepte pas la signature du portail.", "L’assistance vérifie la clé de signature convenue avec AGORA, puis la Région renvoie."),
    Code("METHODE_INTERDITE", _T, _SUPPORT, "AGORA n’offre pas cette opération à cette adresse.", _TELL),
    Code("ADRESSE_INCONNUE", _T, _SUPPORT, "L’adresse appelée n’existe pas chez AGORA.", "L’assistance vérifie l’adresse d’AGORA dans les réglages, puis la Région renvoie."),
    Code("DEMANDE_TROP_GRANDE", _T, _SUPPORT, "Le message est plus gros qu’AGORA ne l’accepte.", _TELL),
    Code("CURSEUR_INVALIDE", _T, _SUPPORT, "AGORA ne reconnaît plus l’endroit où la lecture de ses dossiers s’était arrêtée.", "Relancez le rapprochement : il reprend du début.", False),
    Code("FICHIER_ABSENT", _T, _AGORA, "AGORA n’a pas encore publié le fichier hebdomadaire demandé.", "Rien à faire : il est redemandé plus tard.", False),
    Code("CLIENT_INCONNU", _T, _SUPPORT, "AGORA ne reconnaît pas l’identifiant ou le secret du portail.", "L’assistance vérifie l’identifiant et le secret convenus avec AGORA."),
    Code("JETON_EXPIRE", _T, _NOBODY, "Le jeton d’accès à AGORA était expiré.", "Rien à faire : un autre est demandé de lui-même."),
    Code("TROP_DE_DEMANDES", _T, _NOBODY, "AGORA demande de ralentir.", _BY_ITSELF),
    Code("ERREUR_INTERNE", _T, _AGORA, "AGORA est en panne.", _BY_ITSELF),
    Code(
        ANY_HTTP, _T, _SUPPORT, "AGORA, ou un équipement sur le chemin, a refusé l’appel sans dire pourquoi.",
        "Ce n’est pas une erreur de saisie. Signalez-le à l’assistance avec le code et le numéro de l’échange ; une fois la cause corrigée, renvoyez-le.",
    ),
    # ---- the portal's own: no usable answer -----------------------------------------------------------------------------
    Code(Cause.UNAVAILABLE.value, _T, _NOBODY, "AGORA n’a pas donné de réponse utilisable.", _BY_ITSELF),
    Code(Cause.NO_ANSWER.value, _T, _NOBODY, "AGORA n’a pas répondu à temps.", _BY_ITSELF),
    Code(Cause.NETWORK.value, _T, _NOBODY, "AGORA n’a pas pu être joint : connexion refusée ou coupée.", _BY_ITSELF),
    Code(Cause.SERVER_ERROR.value, _T, _AGORA, "AGORA a répondu qu’il était en panne ou en maintenance.", _BY_ITSELF),
    Code(
        Cause.BAD_ANSWER.value, _T, _AGORA, "AGORA a répondu quelque chose d’illisible, ou à propos d’un autre dossier : rien n’en a été retenu.",
        "L’envoi est retenté de lui-même. Si cela dure, la Région le signale à AGORA avec le numéro de l’échange.",
    ),
    Code(
        Cause.TOKEN_REFUSED.value, _T, _SUPPORT, "AGORA refuse le jeton d’accès qu’il vient de donner au portail.",
        "L’envoi est retenté de lui-même. Si cela dure, l’assistance vérifie les droits du portail auprès d’AGORA.",
    ),
    Code(
        Cause.CREDENTIALS_REFUSED.value, _T, _SUPPORT, "AGORA refuse l’identifiant ou le secret du portail.",
        "L’assistance corrige l’identifiant et le secret dans les réglages ; les envois repartent ensuite d’eux-mêmes.",
    ),
    Code(
        Cause.CIRCUIT_OPEN.value, _T, _NOBODY, "AGORA ne répond à personne en ce moment : le portail attend avant de le rappeler.",
        "Rien à faire : un essai a lieu toutes les 30 secondes, et tout repart dès qu’AGORA répond.",
    ),
    Code(Cause.THROTTLED.value, _T, _NOBODY, "AGORA demande de ralentir.", _BY_ITSELF),
    Code(
        ENDLESS, _T, _AGORA, "La liste des dossiers d’AGORA n’a pas de fin : ses pages tournent en rond.",
        "La nuit suivante essaie de nouveau. Si cela dure, la Région le signale à AGORA.", False,
    ),
    Code(
        WORKER_LOST, _T, _SUPPORT, "Le programme qui traitait cet échange s’est arrêté plusieurs fois de suite sans réponse.",
        "L’assistance cherche la cause dans les journaux avant que la Région ne renvoie l’échange : il part alors seul.",
    ),
    Code(
        ANY_FAULT, _T, _SUPPORT, "Le portail lui-même n’a pas su traiter cet échange.",
        "Ce n’est pas une erreur de saisie. Signalez à l’assistance le code et le numéro de l’échange ; une fois le portail corrigé, renvoyez-le.",
    ),
)  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """The entries as rows of the catalogue."""
    return [
        {
            "partner": "agora", "code": one.code, "nature": one.nature.value, "actor": one.actor.value,
            "cause": one.cause, "remedy": one.remedy, "replay": one.replay, "path": one.path,
        }
        for one in CODES
    ]  # fmt: skip
