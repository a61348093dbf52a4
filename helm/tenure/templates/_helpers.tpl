{{- define "tenure.labels" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tenure
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tenure.selector" -}}
app.kubernetes.io/name: tenure
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tenure.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
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

{{- define "tenure.commonArgs" -}}
{{- range .Values.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- with .Values.identity.usernamePrefix }}
- --username-prefix={{ . }}
{{- end }}
- --when-keys-exist={{ .Values.organizationDefaults.whenKeysExist }}
{{- with include "tenure.limits" . }}
- --limits={{ . }}
{{- end }}
- --log-format={{ .Values.logs.format }}
- --log-level={{ .Values.logs.level }}
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
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "tenure.components" -}}
controller{{ if .Values.webhook.enabled }} webhook{{ end }}{{ if .Values.verifier.enabled }} verifier{{ end }}
{{- end }}

{{- define "tenure.webhookService" -}}tenure-webhook{{- end }}
