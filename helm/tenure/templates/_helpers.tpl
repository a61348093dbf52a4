{{- /* A text as the value of a label: a version may have build metadata behind a plus sign, which no label has. */ -}}
{{- define "tenure.labelValue" -}}
{{ . | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
{{- end }}

{{- define "tenure.labels" -}}
{{- include "tenure.mergedLabels" (dict "root" .) }}
{{- end }}

{{- /* The labels of an object: the chart's, which always win, those of a value (own), and those of all objects. */ -}}
{{- define "tenure.mergedLabels" -}}
{{- $labels := include "tenure.ownLabels" .root | fromYaml }}
{{- with .component }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end }}
{{- toYaml (merge $labels (.own | default dict) .root.Values.commonLabels) }}
{{- end }}

{{- define "tenure.ownLabels" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ include "tenure.labelValue" .Chart.AppVersion }}
app.kubernetes.io/part-of: tenure
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ include "tenure.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- end }}

{{- define "tenure.selector" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tenure.image" -}}
{{- with .Values.image -}}
{{ with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default ($.Chart.AppVersion | replace "+" "_") }}{{ end }}
{{- end }}
{{- end }}

{{- define "tenure.limits" -}}
{{- $limits := list -}}
{{- with .Values.organizationLimits -}}
{{- if .maxTTL }}{{ $limits = append $limits (printf "maxTTL=%s" .maxTTL) }}{{ end -}}
{{- if .maxOverlap }}{{ $limits = append $limits (printf "maxOverlap=%s" .maxOverlap) }}{{ end -}}
{{- if .maxPerMember }}{{ $limits = append $limits (printf "maxPerMember=%d" (int .maxPerMember)) }}{{ end -}}
{{- if .requireExpiry }}{{ $limits = append $limits "requireExpiry=true" }}{{ end -}}
{{- if ne .whenKeysExist "Warn" }}{{ $limits = append $limits (printf "whenKeysExist=%s" .whenKeysExist) }}{{ end -}}
{{- end -}}
{{- join "," $limits -}}
{{- end }}

{{- /* The options of a component that a value sets. A list gives one argument per element, an empty text none. */ -}}
{{- define "tenure.args" -}}
{{- range index (.root.Files.Get "files/arguments.yaml" | fromYaml) .component }}
{{- $option := .option }}
{{- $value := $.root.Values }}
{{- range splitList "." .value }}{{ $value = index $value . }}{{ end }}
{{- range kindIs "slice" $value | ternary $value (list $value) }}
{{- if not (or (kindIs "invalid" .) (eq (toString .) "")) }}
- {{ printf "%s=%v" $option . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What the controller and the webhooks share, and no single value sets. */ -}}
{{- define "tenure.commonArgs" -}}
- {{ printf "--system-namespace=%v" .Release.Namespace | quote }}
{{- with include "tenure.limits" . }}
- {{ printf "--limits=%v" . | quote }}
{{- end }}
{{- end }}

{{- /* What every pod of the chart takes from the values. root, component, values: the section of the component. */ -}}
{{- define "tenure.podMetadata" -}}
labels: {{ include "tenure.mergedLabels" (dict "root" .root "component" .component "own" .values.podLabels) | nindent 2 }}
{{- with .values.podAnnotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tenure.pod" -}}
# What the kubelet would tell of each Service, such as TENURE_WEBHOOK_PORT=tcp://…, is no setting of ours.
enableServiceLinks: false
securityContext: {{ include "tenure.podSecurity" .root | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "tenure.container" -}}
image: {{ include "tenure.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy | quote }}
{{- with .values.extraEnv }}
env: {{ toYaml . | nindent 2 }}
{{- end }}
resources: {{ toYaml .values.resources | nindent 2 }}
securityContext: {{ toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{- /* OpenShift chooses the user of each namespace, and refuses a pod that names one. */ -}}
{{- define "tenure.podSecurity" -}}
{{- $detected := .Capabilities.APIVersions.Has "security.openshift.io/v1" | ternary "openshift" "kubernetes" }}
{{- $platform := eq .Values.platform "auto" | ternary $detected .Values.platform }}
{{- $chosen := eq $platform "openshift" | ternary (list "runAsUser" "runAsGroup" "fsGroup") list }}
{{- $context := dict }}
{{- range $key, $value := .Values.podSecurityContext }}
{{- if not (or (kindIs "invalid" $value) (has $key $chosen)) }}{{ $_ := set $context $key $value }}{{ end }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- /* The IP families of a Service. */ -}}
{{- define "tenure.families" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . | quote }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tenure.servedNamespaces" -}}
{{- with .Values.namespaces }}
namespaceSelector:
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
{{- end }}
{{- end }}

{{- define "tenure.components" -}}
controller{{ if .Values.webhook.enabled }} webhook{{ end }}{{ if .Values.verifier.enabled }} verifier{{ end }}{{ if .Values.mail.enabled }} mail{{ end }}{{ if .Values.console.enabled }} console{{ end }}
{{- end }}

{{- define "tenure.webhookService" -}}tenure-webhook{{- end }}
