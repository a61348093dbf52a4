module tenure.dev/monitoring

go 1.26.0

// Nothing is compiled: tests apply the chart to its CustomResourceDefinitions.
require github.com/prometheus-operator/prometheus-operator v0.85.0
