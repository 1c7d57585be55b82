//go:build tools

// Package tools names what is built here besides the programs in the folders.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
