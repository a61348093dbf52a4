"""The program that validates requests: it gathers evidence from the API server, decides by pure rules, and acts."""
