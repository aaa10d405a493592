package cloudapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

func TestTokensStayOutOfEveryOutput(t *testing.T) {
	const token = cloudapi.Token("topsecret")
	app := cloudapi.App{ID: "1", Secret: token}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		for _, value := range []any{token, &app, app, []cloudapi.Token{token}, map[cloudapi.Token]cloudapi.Token{token: token}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", token, "app", app)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token, "app", app)
	if slog.AnyValue(token).Resolve().Any() == any(token) {
		t.Error("handlers of log/slog see the token")
	}
	logger := funcr.New(func(prefix, args string) { out.WriteString(prefix + args) }, funcr.Options{})
	logger.Info("x", "token", token, "app", app)
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		encoded, err := encode(map[string]any{"token": token, "app": app})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
	}
	hexadecimal := fmt.Sprintf("%x", "topsecret")
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "topsecret") || strings.Contains(strings.ToLower(line), hexadecimal) {
			t.Errorf("the token is in %s", line)
		}
	}
	if string(token) != "topsecret" {
		t.Error("the token has no value")
	}
}

func TestDigits(t *testing.T) {
	for in, want := range map[string]string{
		"+1 631-555-1111": "16315551111", "16315551111": "16315551111", "(0) 12/34": "01234", "": "", "none": "",
	} {
		if got := cloudapi.Digits(in); got != want {
			t.Errorf("Digits(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestClassOfCodeFollowsTheTables(t *testing.T) {
	for class, codes := range map[cloudapi.Class][]int{
		cloudapi.ClassInvalidToken:         {0, 104, 190},
		cloudapi.ClassPermission:           {3, 10, 200, 299, 131005},
		cloudapi.ClassInvalidRequest:       {100, 131008, 131009},
		cloudapi.ClassNotFound:             {33, 803},
		cloudapi.ClassThrottled:            {4, 80007},
		cloudapi.ClassTransient:            {1, 2, 131000, 131016, 131057, 133004},
		cloudapi.ClassCallbackVerification: {2200},
		cloudapi.ClassWindowClosed:         {131047},
		cloudapi.ClassUndeliverable:        {130497, 131026, 131050, 130403, 131021, 131062},
		cloudapi.ClassLimited:              {131049, 130472},
		cloudapi.ClassPairRate:             {131056},
		cloudapi.ClassThroughput:           {130429},
		cloudapi.ClassPolicy:               {131048, 131064, 368, 131031},
		cloudapi.ClassPayment:              {131042},
		cloudapi.ClassNotRegistered:        {131045, 133010, 133000},
		cloudapi.ClassMedia:                {131051, 131052, 131053},
		cloudapi.ClassTemplate:             {132000, 132018, 134101},
		cloudapi.ClassUnknown:              {-1, 5, 999999},
	} {
		for _, code := range codes {
			if got := cloudapi.ClassOfCode(code); got != class {
				t.Errorf("code %d is %q, want %q", code, got, class)
			}
		}
	}
	for class, want := range map[cloudapi.Class]bool{
		cloudapi.ClassTransient: true, cloudapi.ClassThrottled: true, cloudapi.ClassPairRate: true, cloudapi.ClassThroughput: true,
		cloudapi.ClassInvalidToken: false, cloudapi.ClassWindowClosed: false, cloudapi.ClassUnknown: false, cloudapi.ClassNone: false,
	} {
		if class.Retryable() != want {
			t.Errorf("%q retryable: %v", class, !want)
		}
	}
}
