package main

import (
	"fmt"
	"os"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

// seed is what exists from the start.
type seed struct {
	Apps             []seedApp     `json:"apps"`
	BusinessAccounts []seedAccount `json:"businessAccounts"`
	PhoneNumbers     []seedNumber  `json:"phoneNumbers"`
	Tokens           []seedToken   `json:"tokens"`
}

type seedApp struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Secret string `json:"secret"`
	// CallbackURL and Fields are the app's subscription, none if empty.
	CallbackURL string   `json:"callbackURL"`
	Fields      []string `json:"fields"`
}

type seedAccount struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	SubscribedApps []string `json:"subscribedApps"`
}

type seedNumber struct {
	ID                 string `json:"id"`
	BusinessAccountID  string `json:"businessAccountID"`
	DisplayPhoneNumber string `json:"displayPhoneNumber"`
	VerifiedName       string `json:"verifiedName"`
	Status             string `json:"status"`
	QualityRating      string `json:"qualityRating"`
}

type seedToken struct {
	Value              string    `json:"value"`
	AppID              string    `json:"appID"`
	Scopes             []string  `json:"scopes"`
	ExpiresAt          time.Time `json:"expiresAt"`
	BusinessAccountIDs []string  `json:"businessAccountIDs"`
}

func loadSeed(path string, sim *cloudapitest.Server) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--seed: %w", err)
	}
	var s seed
	if err := yaml.UnmarshalStrict(content, &s); err != nil {
		return fmt.Errorf("--seed: %s: %w", path, err)
	}
	if err := s.apply(sim); err != nil {
		return fmt.Errorf("--seed: %s: %w", path, err)
	}
	return nil
}

// apply adds everything to the simulator, after checking that all references
// lead somewhere.
func (s seed) apply(sim *cloudapitest.Server) error {
	if err := s.validate(); err != nil {
		return err
	}
	for _, a := range s.Apps {
		sim.AddApp(cloudapitest.App{ID: a.ID, Name: a.Name, Secret: a.Secret})
		if a.CallbackURL != "" || len(a.Fields) > 0 {
			sim.SubscribeApp(a.ID, a.CallbackURL, a.Fields...)
		}
	}
	for _, b := range s.BusinessAccounts {
		sim.AddBusinessAccount(cloudapitest.BusinessAccount{ID: b.ID, Name: b.Name})
		for _, appID := range b.SubscribedApps {
			sim.SubscribeAccount(b.ID, appID)
		}
	}
	for _, n := range s.PhoneNumbers {
		sim.AddPhoneNumber(cloudapitest.PhoneNumber{
			ID: n.ID, BusinessAccountID: n.BusinessAccountID, DisplayPhoneNumber: n.DisplayPhoneNumber,
			VerifiedName: n.VerifiedName, Status: n.Status, QualityRating: n.QualityRating,
		})
	}
	for _, t := range s.Tokens {
		sim.IssueToken(t.token())
	}
	return nil
}

func (t seedToken) token() cloudapitest.Token {
	return cloudapitest.Token{
		Value: t.Value, AppID: t.AppID, Scopes: t.Scopes, ExpiresAt: t.ExpiresAt, BusinessAccountIDs: t.BusinessAccountIDs,
	}
}

func (s seed) validate() error {
	apps, accounts := map[string]bool{}, map[string]bool{}
	for i, a := range s.Apps {
		if a.ID == "" {
			return fmt.Errorf("apps[%d] has no id", i)
		}
		apps[a.ID] = true
	}
	for i, b := range s.BusinessAccounts {
		if b.ID == "" {
			return fmt.Errorf("businessAccounts[%d] has no id", i)
		}
		accounts[b.ID] = true
		for _, appID := range b.SubscribedApps {
			if !apps[appID] {
				return fmt.Errorf("businessAccounts[%d].subscribedApps: there is no app %q", i, appID)
			}
		}
	}
	for i, n := range s.PhoneNumbers {
		if n.ID == "" {
			return fmt.Errorf("phoneNumbers[%d] has no id", i)
		}
		if !accounts[n.BusinessAccountID] {
			return fmt.Errorf("phoneNumbers[%d].businessAccountID: there is no business account %q", i, n.BusinessAccountID)
		}
	}
	for i, t := range s.Tokens {
		if t.Value == "" {
			return fmt.Errorf("tokens[%d] has no value", i)
		}
		if !apps[t.AppID] {
			return fmt.Errorf("tokens[%d].appID: there is no app %q", i, t.AppID)
		}
	}
	return nil
}
