{{- /* A text as the value of a label: a version may have build metadata behind a plus sign, which no label has. */ -}}
{{- define "tenure.labelValue" -}}
{{ . | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
{{- end }}

{{- define "tenure.labels" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ include "tenure.labelValue" .Chart.AppVersion }}
app.kubernetes.io/part-of: tenure
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "tenure.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenure.selector" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tenure.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default ($.Chart.AppVersion | replace "+" "_") }}{{ end }}
{{- end }}
{{- end }}

{{- define "tenure.limits" -}}
{{- $limits := list -}}
{{- with .Values.organizationLimits -}}
{{- if .maxTTL }}{{ $limits = append $limits (printf "maxTTL=%s" .maxTTL) }}{{ end -}}
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

{{- /* What the kubelet would tell of each Service, such as TENURE_WEBHOOK_PORT=tcp://…, is no setting of ours. */ -}}
{{- define "tenure.podDefaults" -}}
enableServiceLinks: false
{{- end }}

{{- define "tenure.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tenure.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tenure.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "tenure.components" -}}
controller{{ if .Values.webhook.enabled }} webhook{{ end }}{{ if .Values.verifier.enabled }} verifier{{ end }}
{{- end }}

{{- define "tenure.webhookService" -}}tenure-webhook{{- end }}
