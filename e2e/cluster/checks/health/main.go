// health runs a health check of Argo CD on samples, in the Lua that Argo CD itself has: the resource is the
// global `obj`, and the script returns a table with `status` and `message`. Samples are in Argo CD's own
// layout.
//
//	health health.lua health_test.yaml
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

type tests struct {
	Tests []struct {
		HealthStatus struct{ Status, Message string } `json:"healthStatus"`
		InputPath    string                           `json:"inputPath"`
	} `json:"tests"`
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: health health.lua health_test.yaml"))
	}
	script, err := os.ReadFile(os.Args[1])
	fail(err)
	var all tests
	read(os.Args[2], &all)
	failed := 0
	for _, test := range all.Tests {
		var sample map[string]any
		read(filepath.Join(filepath.Dir(os.Args[2]), test.InputPath), &sample)
		status, message, err := judge(string(script), sample)
		wanted := test.HealthStatus
		switch {
		case err != nil:
			failed++
			fmt.Printf("%s: %v\n", test.InputPath, err)
		case status != wanted.Status || message != wanted.Message:
			failed++
			fmt.Printf("%s: %s %q, wanted %s %q\n", test.InputPath, status, message, wanted.Status, wanted.Message)
		}
	}
	if failed > 0 || len(all.Tests) == 0 {
		fail(fmt.Errorf("%d of %d samples are judged wrongly", failed, len(all.Tests)))
	}
	fmt.Printf("%d samples are judged as they should\n", len(all.Tests))
}

// Only what Argo CD allows: base, table, string and math, without files or modules.
func judge(script string, sample map[string]any) (status, message string, err error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
		lua.StringLibName: lua.OpenString, lua.MathLibName: lua.OpenMath,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", value(state, sample))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returns no table")
	}
	status, message = lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message"))
	if !strings.Contains(" Healthy Progressing Degraded Suspended Missing Unknown ", " "+status+" ") {
		return "", "", fmt.Errorf("%q is no status of Argo CD", status)
	}
	return status, message, nil
}

func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, inner := range of {
			table.RawSetString(key, value(state, inner))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, inner := range of {
			table.Append(value(state, inner))
		}
		return table
	case string:
		return lua.LString(of)
	case bool:
		return lua.LBool(of)
	case float64:
		return lua.LNumber(of)
	default:
		return lua.LNil
	}
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	fail(err)
	fail(yaml.Unmarshal(text, into))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
