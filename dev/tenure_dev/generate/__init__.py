"""What writes the files that follow from the code: CRDs, reference pages, and files of the chart."""
