"""`tenure impact`: the price of a pull request, without a cluster."""
