"""What Tenure measures of itself."""
