{{- define "fullname" -}}
{{- if contains "orchestrator" .Release.Name }}{{ .Release.Name }}-server{{ else }}{{ .Release.Name }}-orchestrator-server{{ end }}
{{- end }}

{{- define "image" -}}
{{- with .Values.orchestrator.image }}{{ .registry }}/{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "wait" -}}
- name: wait-postgresql
  image: docker.io/postgres:17
  command: [sh, -c, 'until pg_isready --host="$DATABASE_HOSTNAME" --port="$DATABASE_PORT"; do sleep 1; done']
  envFrom:
    - configMapRef: { name: {{ include "fullname" . }}-database }
{{- end }}

{{- define "uri" -}}
set -eu
SERVER="${DATABASE_USERNAME}:${DATABASE_PASSWORD}@${DATABASE_HOSTNAME}:${DATABASE_PORT}"
DATABASE_URI="postgres://${SERVER}/${DATABASE_DATABASE}?${DATABASE_CONNECTION_PARAMETERS}"
{{- end }}

{{- define "probe" -}}
exec:
  command:
    - /bin/grpc_health_probe
    - -v
    - -addr=:9000
    {{- with .Values.orchestrator.tls }}
    {{- if .enabled }}
    - -tls
    - -tls-ca-cert=/var/orchestrator/tls/server/cacert/ca.crt
    - -tls-server-name={{ include "fullname" $ }}.{{ $.Release.Namespace }}.svc.cluster.local
    {{- if .mtls.enabled }}
    - -tls-client-key=/var/orchestrator/tls/server/pair/tls.key
    - -tls-client-cert=/var/orchestrator/tls/server/pair/tls.crt
    {{- end }}
    {{- end }}
    {{- end }}
periodSeconds: 10
timeoutSeconds: 2
{{- end }}

{{- define "security" -}}
runAsUser: 1001
runAsNonRoot: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}
