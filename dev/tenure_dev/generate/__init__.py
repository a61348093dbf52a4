"""Generate the files that follow from the code: CRDs, manifests, reference pages, and files of the chart."""
