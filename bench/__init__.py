"""What issuing and ending keys costs: Tenure beside a plain Kopf operator, on one real control plane, in one run."""
