{{/* The name of everything that the release makes. */}}
{{- define "egret.name" -}}
{{- .Values.nameOverride | default (printf "%s-operator" .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of what belongs to the whole cluster: two releases may have one name. */}}
{{- define "egret.clusterName" -}}
{{- printf "%s-%s" (include "egret.name" .) .Release.Namespace | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "egret.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "egret.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Selects the operator's pods. The operator's NetworkPolicies for topologies know the name. */}}
{{- define "egret.selector" -}}
app.kubernetes.io/name: egret-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "egret.labels" -}}
{{ include "egret.selector" . }}
app.kubernetes.io/part-of: egret
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image, of the chart and its description. */}}
{{- define "egret.image" -}}
{{- $chart := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* What makes something a part of the end of the release. */}}
{{- define "egret.retireHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* As the level `restricted` asks for, and nothing to write to. */}}
{{- define "egret.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "egret.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What the operator does in the namespaces of topologies, and nothing else. */}}
{{- define "egret.topologyRules" -}}
- apiGroups: [egret.dev]
  resources: [topologies]
  # patch: the finalizer that lets a deleted topology drain, and the parallelism of bolts that are
  # autoscaled.
  verbs: [get, list, watch, patch]
- apiGroups: [egret.dev]
  resources: [topologies/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  # patch: another image of a container, in place.
  verbs: [list, watch, create, delete, patch]
# Identities of pods, each asked for by its name: Secrets are never listed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
# Records of what was decided.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, update]
# What topologies were asked to be, to go back to it.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, create, delete]
# Looked at before they are written: what is not the operator's stays as it is.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/*
Whether an object of the Prometheus operator is made: as the value says, and by default where the
cluster has its kind and what it needs is there. Takes the root, the value, the kind and the need.
*/}}
{{- define "egret.isWatched" -}}
{{- if eq (toString .enabled) "auto" -}}
{{- if and .has (.root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind)) -}}yes{{- end -}}
{{- else if .enabled -}}yes{{- end -}}
{{- end -}}
