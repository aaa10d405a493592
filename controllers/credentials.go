package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// expiryWarning is how long before the access token's end the condition warns.
const expiryWarning = 14 * 24 * time.Hour

// credentials asks Meta about the access token, and proves the app secret with a call that needs it.
func (r *Reconciler) credentials(ctx context.Context, s *scope) error {
	if s.credentialsMissing != nil {
		s.credentials = s.credentialsMissing
		return nil
	}
	if !s.refresh.due || !s.accessToken.known() {
		return nil
	}
	info, err := r.graph.debugToken(ctx, s.refresh.fresh, s.access())
	if cloudapi.ClassOf(err) == cloudapi.ClassAppSecret {
		// Without a proof, Meta may still say which app's secret is missing.
		info, err = r.graph.debugToken(ctx, s.refresh.fresh, access{token: s.accessToken.value})
	}
	if err != nil {
		s.credentials = s.tokenRefused(err)
		return nil
	}
	s.token = tokenStatus(info)
	if f := judgeToken(info); f != nil {
		s.credentials = f
		return nil
	}
	s.app = &v1alpha1.AppStatus{ID: info.AppID, Name: info.AppName}
	subscriptions, err := r.graph.appSubscriptions(ctx, s.refresh.fresh, cloudapi.App{ID: info.AppID, Secret: s.appSecret.value})
	if err != nil {
		s.credentials = s.appSecretRefused(info.AppID, err)
		return nil
	}
	s.subscriptions = subscriptions
	s.credentials = accepted(info, s.now)
	return nil
}

// access is what the channel calls Meta with.
func (s *scope) access() access {
	return access{token: s.accessToken.value, appSecret: s.appSecret.value}
}

// proven reports whether the credentials were proven in this reconciliation, which all other calls build on.
func (s *scope) proven() bool {
	return s.refresh.due && s.credentials != nil && s.credentials.status == metav1.ConditionTrue
}

// judgeToken returns what is wrong with an access token, or nil.
func judgeToken(info cloudapi.TokenInfo) *finding {
	if !info.Valid {
		problem := "Meta says that the access token is not valid"
		if info.Problem != "" {
			problem += ": " + strings.TrimSuffix(info.Problem, ".")
		}
		return fails(v1alpha1.ReasonTokenInvalid, problem+". Generate a new token for the system user and put it into the Secret.")
	}
	var missing []string
	for _, scope := range []string{cloudapi.ScopeManagement, cloudapi.ScopeMessaging} {
		if !info.HasScope(scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		return fails(v1alpha1.ReasonPermissionsMissing, fmt.Sprintf(
			"The access token lacks the permission %s. Generate a token with it for the system user and put it into the Secret.",
			strings.Join(missing, " and ")))
	}
	if info.AppID == "" {
		return fails(v1alpha1.ReasonTokenInvalid, "Meta does not say which app the access token belongs to. Generate a token for a system user of the app.")
	}
	return nil
}

func accepted(info cloudapi.TokenInfo, now time.Time) *finding {
	if !info.ExpiresAt.IsZero() && info.ExpiresAt.Sub(now) < expiryWarning {
		return works(v1alpha1.ReasonTokenExpiring, fmt.Sprintf(
			"Meta accepts the access token and the app secret, but the token ends at %s. Put a new one into the Secret before; nothing has to be restarted.",
			info.ExpiresAt.UTC().Format(time.RFC3339)))
	}
	return works(v1alpha1.ReasonAccepted, fmt.Sprintf("Meta accepts the access token and the app secret of app %s.", info.AppID))
}

func (s *scope) tokenRefused(err error) *finding {
	switch cloudapi.ClassOf(err) {
	case cloudapi.ClassAppSecret:
		return fails(v1alpha1.ReasonAppSecretInvalid,
			"The app secret is not that of the app to which the access token belongs. Copy it from the app's dashboard, App settings > Basic, into the Secret.")
	case cloudapi.ClassInvalidToken:
		return fails(v1alpha1.ReasonTokenInvalid, "Meta refuses the access token. "+sentence(err)+" Generate a new token for the system user and put it into the Secret.")
	case cloudapi.ClassInvalidRequest:
		return fails(v1alpha1.ReasonTokenInvalid, "The access token cannot be one. "+sentence(err)+" Copy it into the Secret again.")
	case cloudapi.ClassPermission, cloudapi.ClassNotFound, cloudapi.ClassPolicy:
		return fails(v1alpha1.ReasonRefused, "Meta refuses to speak of the access token. "+sentence(err))
	}
	return s.unanswered(v1alpha1.ConditionCredentialsValid, err)
}

func (s *scope) appSecretRefused(appID string, err error) *finding {
	switch cloudapi.ClassOf(err) {
	case cloudapi.ClassAppSecret, cloudapi.ClassInvalidToken, cloudapi.ClassInvalidRequest:
		return fails(v1alpha1.ReasonAppSecretInvalid, fmt.Sprintf(
			"The app secret is not that of app %s, to which the access token belongs. Copy it from the app's dashboard, App settings > Basic, into the Secret.", appID))
	case cloudapi.ClassPermission, cloudapi.ClassNotFound, cloudapi.ClassPolicy:
		return fails(v1alpha1.ReasonRefused, fmt.Sprintf("Meta refuses a call of app %s. %s", appID, sentence(err)))
	}
	return s.unanswered(v1alpha1.ConditionCredentialsValid, err)
}

func tokenStatus(info cloudapi.TokenInfo) *v1alpha1.AccessTokenStatus {
	const maxScopes, maxLength = 64, 128
	status := &v1alpha1.AccessTokenStatus{}
	if !info.ExpiresAt.IsZero() {
		status.ExpiresAt = &metav1.Time{Time: info.ExpiresAt}
	}
	for _, scope := range info.Scopes {
		if scope != "" && len(scope) <= maxLength {
			status.Scopes = append(status.Scopes, scope)
		}
	}
	slices.Sort(status.Scopes)
	status.Scopes = slices.Compact(status.Scopes)
	status.Scopes = status.Scopes[:min(len(status.Scopes), maxScopes)]
	return status
}

// sentence makes an error a sentence.
func sentence(err error) string {
	text := strings.TrimSpace(err.Error())
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}
