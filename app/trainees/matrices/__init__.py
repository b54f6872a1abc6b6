"""The matrices of guide 000 (menu Imports): what files of trainees hold, and what each line does."""
