package cloudapitest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// App is a Meta app. What is left empty is filled in.
type App struct {
	ID     string
	Name   string
	Secret string
	// RequireProof makes the app refuse calls without proof of its secret.
	RequireProof bool
}

// BusinessAccount is a WhatsApp Business Account. What is left empty is filled in.
type BusinessAccount struct {
	ID   string
	Name string
}

// PhoneNumber is a business phone number. What is left empty is filled in, but
// for BusinessAccountID.
type PhoneNumber struct {
	ID                     string
	BusinessAccountID      string
	DisplayPhoneNumber     string
	VerifiedName           string
	Status                 string
	QualityRating          string
	CodeVerificationStatus string
	NameStatus             string
	AccountMode            string
	PlatformType           string
	ThroughputLevel        string
	MessagingLimit         string
	// Health is available unless told.
	Health cloudapi.Health
	// Username is none if empty.
	Username string
	// CountryDialCode is put before recipients that are written without a plus
	// sign; "1" unless told.
	CountryDialCode string
}

// Token is an access token of a system user.
type Token struct {
	// Value is made up if empty.
	Value string
	AppID string
	// Scopes are both of WhatsApp's permissions if nil.
	Scopes []string
	// ExpiresAt is never if zero.
	ExpiresAt time.Time
	// BusinessAccountIDs are the accounts that the token reaches, all if nil.
	BusinessAccountIDs []string
}

type app struct {
	App
	// callbackURL and fields are the app-level subscription; fields is nil where
	// there is none.
	callbackURL string
	fields      []string
}

type account struct {
	BusinessAccount
	// subscribed holds the apps that receive webhooks, and the callback URL that
	// each has for this account, mostly empty.
	subscribed map[string]string
}

type number struct {
	PhoneNumber
	// override is the callback URL that an app has for this number.
	override map[string]string
}

type tokenState struct {
	Token
	issuedAt time.Time
	revoked  bool
}

// AddApp adds an app, or replaces the name and secret of one.
func (s *Server) AddApp(a App) App {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.ID = s.orID(a.ID)
	if a.Name == "" {
		a.Name = "App " + a.ID
	}
	if a.Secret == "" {
		a.Secret = randomHex(16)
	}
	if known := s.apps[a.ID]; known != nil {
		known.App = a
	} else {
		s.apps[a.ID] = &app{App: a}
	}
	return a
}

// ResetAppSecret replaces an app's secret, which signs webhooks from now on, and
// reports whether there is such an app.
func (s *Server) ResetAppSecret(appID, secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.apps[appID]
	if known != nil {
		known.Secret = secret
	}
	return known != nil
}

// AddBusinessAccount adds a business account.
func (s *Server) AddBusinessAccount(b BusinessAccount) BusinessAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.ID = s.orID(b.ID)
	if b.Name == "" {
		b.Name = "Account " + b.ID
	}
	if known := s.accounts[b.ID]; known != nil {
		known.BusinessAccount = b
	} else {
		s.accounts[b.ID] = &account{BusinessAccount: b, subscribed: map[string]string{}}
	}
	return b
}

// AddPhoneNumber adds a phone number to a business account, or replaces what is
// known about one. It panics if the account does not exist.
func (s *Server) AddPhoneNumber(p PhoneNumber) PhoneNumber {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[p.BusinessAccountID] == nil {
		panic(fmt.Sprintf("cloudapitest: there is no business account %q", p.BusinessAccountID))
	}
	p.ID = s.orID(p.ID)
	setDefault(&p.DisplayPhoneNumber, fmt.Sprintf("+1 555 %07s", p.ID[max(0, len(p.ID)-7):]))
	setDefault(&p.VerifiedName, "Number "+p.ID)
	setDefault(&p.Status, "CONNECTED")
	setDefault(&p.QualityRating, "GREEN")
	setDefault(&p.CodeVerificationStatus, "VERIFIED")
	setDefault(&p.NameStatus, "APPROVED")
	setDefault(&p.AccountMode, "LIVE")
	setDefault(&p.PlatformType, "CLOUD_API")
	setDefault(&p.ThroughputLevel, "STANDARD")
	setDefault(&p.MessagingLimit, "TIER_250")
	setDefault(&p.CountryDialCode, "1")
	setDefault(&p.Health.CanSendMessage, cloudapi.SendingAvailable)
	if known := s.numbers[p.ID]; known != nil {
		known.PhoneNumber = p
	} else {
		s.numbers[p.ID] = &number{PhoneNumber: p, override: map[string]string{}}
		s.numberIDs = append(s.numberIDs, p.ID)
	}
	return p
}

// RemovePhoneNumber removes a phone number from its account.
func (s *Server) RemovePhoneNumber(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.numbers, id)
	s.numberIDs = slices.DeleteFunc(s.numberIDs, func(known string) bool { return known == id })
}

// PhoneNumbers returns all phone numbers in the order they were added.
func (s *Server) PhoneNumbers() []PhoneNumber {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := make([]PhoneNumber, 0, len(s.numberIDs))
	for _, id := range s.numberIDs {
		numbers = append(numbers, s.numbers[id].PhoneNumber)
	}
	return numbers
}

// IssueToken makes an access token valid and returns it. It panics if the app
// does not exist.
func (s *Server) IssueToken(t Token) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps[t.AppID] == nil {
		panic(fmt.Sprintf("cloudapitest: there is no app %q", t.AppID))
	}
	if t.Value == "" {
		t.Value = "EAA" + randomHex(40)
	}
	if t.Scopes == nil {
		t.Scopes = []string{cloudapi.ScopeManagement, cloudapi.ScopeMessaging}
	}
	s.tokens[t.Value] = &tokenState{Token: t, issuedAt: s.clock.Now()}
	return t.Value
}

// RevokeToken makes an access token invalid and reports whether there was one.
func (s *Server) RevokeToken(value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[value]
	if t != nil {
		t.revoked = true
	}
	return t != nil
}

// HasApp reports whether there is an app with this id.
func (s *Server) HasApp(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[id] != nil
}

// SubscribeApp gives an app a callback URL and webhook fields without a
// handshake, as if they had been entered in Meta's dashboard.
func (s *Server) SubscribeApp(appID, callbackURL string, fields ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(fields) == 0 {
		fields = []string{"messages"}
	}
	if a := s.apps[appID]; a != nil {
		a.callbackURL, a.fields = callbackURL, fields
	}
}

// SubscribeAccount makes an app receive the webhooks of a business account.
func (s *Server) SubscribeAccount(businessAccountID, appID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.accounts[businessAccountID]; b != nil && s.apps[appID] != nil {
		b.subscribed[appID] = ""
	}
}

// SetOverride gives a phone number a callback URL for one app without a
// handshake; an empty URL takes it back. It stands for what somebody else did.
func (s *Server) SetOverride(phoneNumberID, appID, callbackURL string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.numbers[phoneNumberID]; n != nil {
		setOverride(n, appID, callbackURL)
	}
}

func setOverride(n *number, appID, callbackURL string) {
	if callbackURL == "" {
		delete(n.override, appID)
		return
	}
	n.override[appID] = callbackURL
}

// CallbackURL returns where the messages of a phone number go for an app: the
// number's override, the account's, or the app's own URL.
func (s *Server) CallbackURL(phoneNumberID, appID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.numbers[phoneNumberID]
	if n == nil {
		return ""
	}
	return s.configuration(n, appID).Effective()
}

// configuration tells where the webhooks of a number go; s.mu is held.
func (s *Server) configuration(n *number, appID string) cloudapi.WebhookConfiguration {
	c := cloudapi.WebhookConfiguration{PhoneNumber: n.override[appID]}
	if b := s.accounts[n.BusinessAccountID]; b != nil {
		c.BusinessAccount = b.subscribed[appID]
	}
	if a := s.apps[appID]; a != nil {
		c.Application = a.callbackURL
	}
	return c
}

// orID returns an id, made up if it is empty; s.mu is held.
func (s *Server) orID(id string) string {
	if id != "" {
		return id
	}
	s.ids++
	return fmt.Sprintf("10%013d", s.ids)
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

func randomDigits(count int) string {
	var digits strings.Builder
	random := make([]byte, count)
	_, _ = rand.Read(random)
	for _, b := range random {
		digits.WriteByte('0' + b%10)
	}
	return digits.String()
}
