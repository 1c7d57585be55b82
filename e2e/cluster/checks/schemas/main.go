// schemas writes one JSON schema for each kind of Kubernetes, as kubeconform looks for them: strict, so
// that a misspelt field is an error.
//
//	schemas swagger.json directory
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type object = map[string]any

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: schemas swagger.json directory"))
	}
	text, err := os.ReadFile(os.Args[1])
	fail(err)
	var swagger struct{ Definitions map[string]object }
	fail(json.Unmarshal(text, &swagger))
	fail(os.MkdirAll(os.Args[2], 0o755))
	for _, definition := range swagger.Definitions {
		tighten(definition)
	}
	write("_definitions.json", object{"definitions": swagger.Definitions})
	for name, definition := range swagger.Definitions {
		for _, file := range files(definition) {
			write(file, object{"$ref": "_definitions.json#/definitions/" + name})
		}
	}
}

// The files of a kind: `deployment-apps-v1.json`, `pod-v1.json`.
func files(definition object) []string {
	var names []string
	kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
	for _, kind := range kinds {
		kind := kind.(object)
		// As kubeconform shortens groups.
		group, _, _ := strings.Cut(kind["group"].(string), ".")
		parts := []string{kind["kind"].(string), group, kind["version"].(string)}
		if group == "" {
			parts = []string{parts[0], parts[2]}
		}
		names = append(names, strings.ToLower(strings.Join(parts, "-"))+".json")
	}
	return names
}

// Makes of Kubernetes' schema one that means the same in JSON schema, everywhere within.
func tighten(schema object) {
	if reference, ok := schema["$ref"].(string); ok {
		schema["$ref"] = "_definitions.json" + reference
	}
	if schema["format"] == "int-or-string" {
		delete(schema, "type")
		schema["oneOf"] = []any{object{"type": "string"}, object{"type": "integer"}}
	}
	delete(schema, "format")
	properties, _ := schema["properties"].(object)
	if _, open := schema["additionalProperties"]; properties != nil && !open {
		schema["additionalProperties"] = false
	}
	for _, property := range properties {
		tighten(property.(object))
	}
	for _, within := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[within].(object); ok {
			tighten(inner)
		}
	}
}

func write(name string, schema object) {
	text, err := json.Marshal(schema)
	fail(err)
	fail(os.WriteFile(filepath.Join(os.Args[2], name), text, 0o644))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
