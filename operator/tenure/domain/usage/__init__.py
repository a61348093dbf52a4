"""The record of use: what the verifiers' answers are worth, what Tenure writes about it, and how it is worded."""
