{{- define "brokerproof.name" -}}
{{- printf "%s-brokerproof" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "brokerproof.labels" -}}
app.kubernetes.io/name: brokerproof
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.mode }}
{{- end -}}

{{- define "brokerproof.pod" -}}
metadata:
  labels:
    {{- include "brokerproof.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    brokerproof/target: {{ .Values.target | sha256sum }}
    {{- if eq .Values.mode "canary" }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .Values.canary.port | quote }}
    {{- end }}
spec:
  {{- if eq .Values.mode "canary" }}
  terminationGracePeriodSeconds: 40
  {{- else }}
  restartPolicy: Never
  {{- end }}
  {{- if .Values.serviceAccount.name }}
  serviceAccountName: {{ .Values.serviceAccount.name }}
  {{- end }}
  automountServiceAccountToken: {{ not (empty .Values.serviceAccount.name) }}
  securityContext: {runAsNonRoot: true, runAsUser: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: brokerproof
      image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      workingDir: /tmp
      {{- if eq .Values.mode "canary" }}
      args:
        - canary
        - run
        - /etc/brokerproof/target.yaml
        - --every
        - {{ .Values.canary.every | quote }}
        - --state
        - /var/lib/brokerproof
        - --listen
        - {{ printf "0.0.0.0:%d" (int .Values.canary.port) | quote }}
      ports:
        - {name: metrics, containerPort: {{ .Values.canary.port }}}
      livenessProbe:
        httpGet: {path: /-/healthy, port: metrics}
        periodSeconds: 30
      {{- else }}
      args:
        - verify
        - /etc/brokerproof/target.yaml
        - --run-dir
        - /var/lib/brokerproof/run
        {{- range .Values.verifyArguments }}
        - {{ . | quote }}
        {{- end }}
      {{- end }}
      {{- with .Values.credentialsSecret }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: state, mountPath: /var/lib/brokerproof}
        - {name: target, mountPath: /etc/brokerproof, readOnly: true}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: state
      {{- if eq .Values.mode "canary" }}
      persistentVolumeClaim: {claimName: {{ include "brokerproof.name" . }}}
      {{- else }}
      emptyDir: {}
      {{- end }}
    - name: target
      configMap: {name: {{ .Values.existingConfigMap | default (include "brokerproof.name" .) }}}
    - name: tmp
      emptyDir: {}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
