package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

func TestJudgeHealth(t *testing.T) {
	entity := func(kind, state string, problems ...cloudapi.HealthProblem) cloudapi.EntityHealth {
		return cloudapi.EntityHealth{Type: kind, ID: "1", CanSendMessage: state, Problems: problems}
	}
	payment := cloudapi.HealthProblem{Code: 141006, Description: "There is an error with the payment method.", Solution: "Add a new payment method."}
	unverified := cloudapi.HealthProblem{Code: 141010, Description: "The business is not verified"}
	for name, tc := range map[string]struct {
		number cloudapi.PhoneNumber
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		"nothing said": {cloudapi.PhoneNumber{}, metav1.ConditionTrue, v1alpha1.ReasonConnected, ""},
		"available":    {cloudapi.PhoneNumber{Health: cloudapi.Health{CanSendMessage: "AVAILABLE"}}, metav1.ConditionTrue, v1alpha1.ReasonConnected, ""},
		"blocked": {cloudapi.PhoneNumber{Health: cloudapi.Health{CanSendMessage: "BLOCKED", Entities: []cloudapi.EntityHealth{
			entity("BUSINESS", "LIMITED", unverified), entity("WABA", "BLOCKED", payment), entity("APP", "AVAILABLE"),
		}}}, metav1.ConditionFalse, v1alpha1.ReasonSendingBlocked, "the business account: There is an error with the payment method. Add a new payment method."},
		"limited": {cloudapi.PhoneNumber{Health: cloudapi.Health{CanSendMessage: "LIMITED", Entities: []cloudapi.EntityHealth{
			entity("BUSINESS", "LIMITED", unverified),
		}}}, metav1.ConditionTrue, v1alpha1.ReasonSendingLimited, "the business: The business is not verified."},
		"blocked without a word": {cloudapi.PhoneNumber{Health: cloudapi.Health{CanSendMessage: "BLOCKED"}}, metav1.ConditionFalse, v1alpha1.ReasonSendingBlocked, "Meta does not say why"},
		"low quality":            {cloudapi.PhoneNumber{QualityRating: "RED"}, metav1.ConditionTrue, v1alpha1.ReasonQualityLow, "RED"},
		"banned comes first": {cloudapi.PhoneNumber{Status: "BANNED", Health: cloudapi.Health{CanSendMessage: "BLOCKED"}},
			metav1.ConditionFalse, v1alpha1.ReasonNotConnected, "BANNED"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeNumber(tc.number)
			if got.status != tc.status || got.reason != tc.reason || !strings.Contains(got.message, tc.says) {
				t.Errorf("it says %s, %s: %s", got.status, got.reason, got.message)
			}
			if strings.Contains(got.message, "not verified") != (tc.reason == v1alpha1.ReasonSendingLimited) {
				t.Errorf("it quotes a problem that does not make the difference: %s", got.message)
			}
		})
	}
}

func TestSendingProblemsAreBounded(t *testing.T) {
	var health cloudapi.Health
	for range 100 {
		health.Entities = append(health.Entities, cloudapi.EntityHealth{Type: "APP", CanSendMessage: "LIMITED", Problems: []cloudapi.HealthProblem{
			{Description: strings.Repeat("é", 5000), Solution: strings.Repeat("é", 5000)},
		}})
	}
	problems := sendingProblems(health)
	if len(problems) != maxProblems || len([]rune(problems[0].Description)) != 512 || len([]rune(problems[0].Solution)) != 512 {
		t.Errorf("status would hold %d problems, the first of %d characters", len(problems), len(problems[0].Description))
	}
}

func TestJudgeVersion(t *testing.T) {
	end, known := cloudapi.VersionEnd("v21.0")
	if !known {
		t.Fatal("the end of v21.0 is not known")
	}
	for name, tc := range map[string]struct {
		version string
		before  time.Duration
		status  metav1.ConditionStatus
		reason  string
		says    string
	}{
		"for long":           {"v21.0", 61 * 24 * time.Hour, metav1.ConditionTrue, v1alpha1.ReasonSupported, "until 2027-01-21"},
		"60 days before":     {"v21.0", 60*24*time.Hour - time.Second, metav1.ConditionTrue, v1alpha1.ReasonGraphVersionEnding, "--graph-version"},
		"ended":              {"v21.0", 0, metav1.ConditionFalse, v1alpha1.ReasonGraphVersionEnded, "2027-01-21"},
		"newer than we know": {"v99.0", 0, metav1.ConditionTrue, v1alpha1.ReasonSupported, "has not said until when"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeVersion(tc.version, end.Add(-tc.before))
			if got.status != tc.status || got.reason != tc.reason || !strings.Contains(got.message, tc.says) {
				t.Errorf("it says %s, %s: %s", got.status, got.reason, got.message)
			}
		})
	}
}

func TestTheDefaultVersionIsSupported(t *testing.T) {
	if got := judgeVersion(cloudapi.DefaultVersion, time.Now()); got.reason != v1alpha1.ReasonSupported {
		t.Errorf("the version that is used unless told: %s", got.message)
	}
}
