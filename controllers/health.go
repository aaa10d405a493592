package controllers

import (
	"fmt"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	// qualityRed is Meta's word for a number that customers block or report often.
	qualityRed = "RED"
	// maxProblems is how many of Meta's problems status lists.
	maxProblems = 16
	// versionWarning is how long before the end of a version of the Graph API the condition warns.
	versionWarning = 60 * 24 * time.Hour
)

// judgeHealth says whether Meta lets a connected number send.
func judgeHealth(number cloudapi.PhoneNumber) *finding {
	switch {
	case number.Health.CanSendMessage == cloudapi.SendingBlocked:
		return fails(v1alpha1.ReasonSendingBlocked, "Meta blocks sending with this phone number: "+explainHealth(number.Health, cloudapi.SendingBlocked))
	case number.Health.CanSendMessage == cloudapi.SendingLimited:
		return works(v1alpha1.ReasonSendingLimited, "The phone number can send and receive, within limits: "+explainHealth(number.Health, cloudapi.SendingLimited))
	case number.QualityRating == qualityRed:
		return works(v1alpha1.ReasonQualityLow, "The phone number can send and receive, but Meta rates its quality RED, because customers block or report its messages. See Insights in WhatsApp Manager before Meta limits it.")
	}
	return works(v1alpha1.ReasonConnected, "The phone number can send and receive.")
}

var entityNames = map[string]string{
	"PHONE_NUMBER": "the phone number",
	"WABA":         "the business account",
	"BUSINESS":     "the business",
	"APP":          "the app",
}

// explainHealth quotes Meta on what makes the difference: the problems of the entities that are as bad as the whole.
func explainHealth(health cloudapi.Health, state string) string {
	var parts []string
	for _, problem := range sendingProblems(health) {
		if problem.CanSendMessage != state {
			continue
		}
		name := entityNames[problem.Entity]
		if name == "" {
			name = problem.Entity
		}
		text := name + ": " + strings.TrimSuffix(problem.Description, ".") + "."
		if problem.Solution != "" {
			text += " " + strings.TrimSuffix(problem.Solution, ".") + "."
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "Meta does not say why. See the number's page in WhatsApp Manager."
	}
	return strings.Join(parts, " ")
}

// sendingProblems lists what limits or blocks sending. An entity that is limited without a reason is listed, too.
func sendingProblems(health cloudapi.Health) []v1alpha1.SendingProblem {
	var problems []v1alpha1.SendingProblem
	for _, entity := range health.Entities {
		if entity.Type == "" || entity.CanSendMessage == "" || entity.CanSendMessage == cloudapi.SendingAvailable {
			continue
		}
		problem := v1alpha1.SendingProblem{Entity: bounded(entity.Type, 64), CanSendMessage: bounded(entity.CanSendMessage, 64)}
		if len(entity.Problems) == 0 {
			problems = append(problems, problem)
		}
		for _, reason := range entity.Problems {
			problem.Description, problem.Solution = bounded(reason.Description, 512), bounded(reason.Solution, 512)
			problems = append(problems, problem)
		}
	}
	return problems[:min(len(problems), maxProblems)]
}

// judgeVersion says whether Meta supports a version of the Graph API, and warns before it ends.
func judgeVersion(version string, now time.Time) *finding {
	end, known := cloudapi.VersionEnd(version)
	switch {
	case !known:
		return works(v1alpha1.ReasonSupported, fmt.Sprintf("Meta supports version %s of the Graph API, and has not said until when.", version))
	case !now.Before(end):
		return fails(v1alpha1.ReasonGraphVersionEnded, fmt.Sprintf(
			"Meta ended version %s of the Graph API on %s. Update the operator, or start it with --graph-version and a newer one.", version, end.Format(time.DateOnly)))
	case end.Sub(now) < versionWarning:
		return works(v1alpha1.ReasonGraphVersionEnding, fmt.Sprintf(
			"Meta ends version %s of the Graph API on %s. Update the operator before, or start it with --graph-version and a newer one.", version, end.Format(time.DateOnly)))
	}
	return works(v1alpha1.ReasonSupported, fmt.Sprintf("Meta supports version %s of the Graph API until %s.", version, end.Format(time.DateOnly)))
}
