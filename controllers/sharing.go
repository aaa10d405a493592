package controllers

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// maxShared bounds how many texts are remembered. Where there are more, all are forgotten: what is in the cache then stays as it
// is, and later objects share among themselves.
const maxShared = 4_000

// sharing lets objects share what they have in common: texts, such as labels, enumerations and the messages of conditions, and
// amounts of resources. A thousand channels and their objects consist mostly of that, and each was decoded into memory of its own.
type sharing struct {
	mu    sync.Mutex
	known map[string]string
	// resources are the amounts that containers and volumes ask for, each by its text.
	resources map[string]corev1.ResourceList
}

// share replaces the texts in what a pointer leads to, which nobody else may use yet.
func (s *sharing) share(object any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.walk(reflect.ValueOf(object))
}

func (s *sharing) walk(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		value.SetString(s.text(value.String()))
	case reflect.Pointer:
		if !value.IsNil() {
			s.walk(value.Elem())
		}
	case reflect.Struct:
		// What is not exported is the type's own: a time leads to the process's time zone, which others use.
		for _, field := range value.Fields() {
			if field.CanSet() {
				s.walk(field)
			}
		}
	case reflect.Slice:
		if value.Type().Elem().Kind() != reflect.Uint8 {
			for n := range value.Len() {
				s.walk(value.Index(n))
			}
		}
	case reflect.Map:
		if value.IsNil() {
			return
		}
		if amounts, ok := value.Interface().(corev1.ResourceList); ok {
			value.Set(reflect.ValueOf(s.amounts(amounts)))
			return
		}
		value.Set(s.entries(value))
	}
}

// entries makes a map anew, because one that is there keeps its keys.
func (s *sharing) entries(of reflect.Value) reflect.Value {
	made := reflect.MakeMapWithSize(of.Type(), of.Len())
	for entries := of.MapRange(); entries.Next(); {
		key, value := reflect.New(of.Type().Key()).Elem(), reflect.New(of.Type().Elem()).Elem()
		key.Set(entries.Key())
		value.Set(entries.Value())
		s.walk(key)
		s.walk(value)
		made.SetMapIndex(key, value)
	}
	return made
}

// amounts returns a map that all share who ask for the same. Nobody changes what a cache holds: who reads it gets a copy.
func (s *sharing) amounts(of corev1.ResourceList) corev1.ResourceList {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(of)) {
		amount := of[name]
		fmt.Fprintf(&text, "%s=%s %s;", name, amount.String(), amount.Format)
	}
	if known, ok := s.resources[text.String()]; ok {
		return known
	}
	if s.resources == nil || len(s.resources) == maxShared {
		s.resources = map[string]corev1.ResourceList{}
	}
	s.resources[text.String()] = of
	return of
}

func (s *sharing) text(text string) string {
	if known, ok := s.known[text]; ok {
		return known
	}
	if s.known == nil || len(s.known) == maxShared {
		s.known = map[string]string{}
	}
	s.known[text] = text
	return text
}
