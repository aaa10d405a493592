// Package argocd tests the rule by which Argo CD tells the health of a channel.
package argocd

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func TestHealth(t *testing.T) {
	script, err := os.ReadFile("health.lua")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Tests []struct {
			HealthStatus health `json:"healthStatus"`
			InputPath    string `json:"inputPath"`
		} `json:"tests"`
	}
	read(t, "health_test.yaml", &table)
	inputs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Tests) != len(inputs) {
		t.Errorf("%d tests for %d channels", len(table.Tests), len(inputs))
	}
	for _, tc := range table.Tests {
		t.Run(tc.InputPath, func(t *testing.T) {
			var channel map[string]any
			read(t, tc.InputPath, &channel)
			if diff := cmp.Diff(tc.HealthStatus, evaluate(t, string(script), channel)); diff != "" {
				t.Errorf("the channel's health (-want +got):\n%s", diff)
			}
		})
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// evaluate runs the script as Argo CD does: with the object as obj, and without Lua's libraries but the basic one.
func evaluate(t *testing.T, script string, object map[string]any) health {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	if err := state.CallByParam(lua.P{Fn: state.NewFunction(lua.OpenBase), Protect: true}, lua.LString(lua.BaseLibName)); err != nil {
		t.Fatal(err)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s", state.Get(-1).Type())
	}
	return health{Status: result.RawGetString("status").String(), Message: result.RawGetString("message").String()}
}

// value turns decoded JSON into Lua's.
func value(state *lua.LState, decoded any) lua.LValue {
	switch decoded := decoded.(type) {
	case map[string]any:
		table := state.NewTable()
		for name, field := range decoded {
			table.RawSetString(name, value(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range decoded {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(decoded)
	case float64:
		return lua.LNumber(decoded)
	case bool:
		return lua.LBool(decoded)
	}
	return lua.LNil
}
