"""Tenure's development tools: a real Kubernetes control plane as plain processes, no Docker, no root."""
