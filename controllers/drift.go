package controllers

import "reflect"

// contains reports whether an object has everything that is wanted of it. What it has besides, such as defaults and
// fields of others, does not count. Both are in the form that JSON decodes to, with whole numbers as int64.
func contains(actual, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		fields, ok := actual.(map[string]any)
		if !ok {
			return len(wanted) == 0 && actual == nil
		}
		for name, value := range wanted {
			if !contains(fields[name], value) {
				return false
			}
		}
		return true
	case []any:
		items, ok := actual.([]any)
		if !ok {
			return len(wanted) == 0 && actual == nil
		}
		return containsItems(items, wanted)
	default:
		return reflect.DeepEqual(actual, wanted)
	}
}

// containsItems compares lists: items with a name by their name, wherever they stand, all others by their position.
func containsItems(actual, wanted []any) bool {
	for i, item := range wanted {
		name, named := nameOf(item)
		switch {
		case named:
			found := false
			for _, candidate := range actual {
				// Several items may have one name, such as two listeners of one Gateway.
				if other, ok := nameOf(candidate); ok && other == name && contains(candidate, item) {
					found = true
					break
				}
			}
			if !found {
				return false
			}
		case len(actual) != len(wanted) || !contains(actual[i], item):
			return false
		}
	}
	return true
}

func nameOf(item any) (string, bool) {
	fields, ok := item.(map[string]any)
	if !ok {
		return "", false
	}
	name, ok := fields["name"].(string)
	return name, ok
}
