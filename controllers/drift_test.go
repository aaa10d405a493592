package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/json"
)

func TestContains(t *testing.T) {
	const live = `{"metadata": {"name": "a", "labels": {"x": "1", "theirs": "2"}, "uid": "u"},
		"spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "command": ["/receiver"],
			"containers": [{"name": "sidecar"}, {"name": "receiver", "image": "i", "ports": [{"name": "p", "port": 1, "protocol": "TCP"}]}],
			"sources": [{"secret": {"key": "k", "mode": 288}}]}}`
	for name, tc := range map[string]struct {
		wanted string
		want   bool
	}{
		"less than there is":         {`{"metadata": {"labels": {"x": "1"}}, "spec": {"replicas": 1}}`, true},
		"named items in any place":   {`{"spec": {"containers": [{"name": "receiver", "ports": [{"name": "p", "port": 1}]}]}}`, true},
		"unnamed items with more":    {`{"spec": {"sources": [{"secret": {"key": "k"}}]}}`, true},
		"an empty map that is not":   {`{"spec": {"nodeSelector": {}}}`, true},
		"an empty list that is not":  {`{"spec": {"tolerations": []}}`, true},
		"another value":              {`{"spec": {"replicas": 2}}`, false},
		"another label":              {`{"metadata": {"labels": {"y": "1"}}}`, false},
		"a changed named item":       {`{"spec": {"containers": [{"name": "receiver", "image": "j"}]}}`, false},
		"a missing named item":       {`{"spec": {"containers": [{"name": "other"}]}}`, false},
		"one scalar item more":       {`{"spec": {"command": ["/receiver", "-v"]}}`, false},
		"one scalar item less":       {`{"spec": {"command": []}}`, true},
		"one unnamed item more":      {`{"spec": {"sources": [{"secret": {"key": "k"}}, {"secret": {"key": "l"}}]}}`, false},
		"a map where there is none":  {`{"spec": {"resources": {"requests": {"cpu": "1"}}}}`, false},
		"a map where there is a one": {`{"spec": {"replicas": {"x": 1}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var actual, wanted map[string]any
			if err := json.Unmarshal([]byte(live), &actual); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.wanted), &wanted); err != nil {
				t.Fatal(err)
			}
			if got := contains(actual, wanted); got != tc.want {
				t.Errorf("contains() = %v", got)
			}
		})
	}
}
