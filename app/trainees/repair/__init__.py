"""« Redressement des NIR en masse » (guide 000): a file of the trainees without NIR, completed and sent back, checked, confirmed, applied by a job."""
