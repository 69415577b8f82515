#!/bin/sh
# Renders the chart as a site would install it, with this project's image: in plain text, with TLS, with mutual TLS. Needs Helm 3.
# Run it after a change of the templates:  ./render.sh  - or with a folder, to render into that one.
set -eu
chart=$(dirname "$0")
into=${1:-$chart/rendered}
mkdir -p "$into"
render() {
    name=$1
    shift
    helm template network "$chart" --namespace substra --values "$chart/../../../../../deploy/values.yaml" "$@" >"$into/$name.yaml"
}
render plain --set database.parameters=sslmode=disable
render tls --set orchestrator.tls.enabled=true
render mutual --set orchestrator.tls.enabled=true,orchestrator.tls.mtls.enabled=true,orchestrator.verifyClientMSPID=true
