package cloudapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// PhoneNumber is a business phone number. All enumerations are open strings.
type PhoneNumber struct {
	ID string
	// DisplayPhoneNumber comes with or without a plus sign and spaces. Compare
	// by [Digits].
	DisplayPhoneNumber string
	VerifiedName       string
	// Status is "CONNECTED" for a number that can send and receive.
	Status                 string
	QualityRating          string
	CodeVerificationStatus string
	NameStatus             string
	AccountMode            string
	// PlatformType is "CLOUD_API" for a number that is registered here.
	PlatformType string
	// ThroughputLevel is what [Throughput] understands.
	ThroughputLevel string
	// MessagingLimit is how many customers the portfolio may write to first
	// within 24 hours, such as "TIER_250".
	MessagingLimit string
	// Health tells whether Meta lets the number send.
	Health Health
	// WebhookConfiguration tells where the number's webhooks go.
	WebhookConfiguration WebhookConfiguration
}

// StandardThroughput and HighThroughput are how many messages a second Meta takes
// from a phone number.
const (
	StandardThroughput = 80
	HighThroughput     = 1000
)

// Throughput returns how many messages a second Meta takes from a phone number of
// this level. A level that is not known is taken for the standard one.
func Throughput(level string) int {
	if level == "HIGH" {
		return HighThroughput
	}
	return StandardThroughput
}

const phoneNumberFields = "id,display_phone_number,verified_name,status,quality_rating,code_verification_status," +
	"name_status,account_mode,platform_type,throughput,whatsapp_business_manager_messaging_limit," +
	"health_status,webhook_configuration"

// PhoneNumbers lists all phone numbers of a business account.
func (c *Client) PhoneNumbers(ctx context.Context, token Token, businessAccountID string) ([]PhoneNumber, error) {
	if err := checkAccess(token, "business account", businessAccountID); err != nil {
		return nil, err
	}
	type wire struct {
		ID                     string `json:"id"`
		DisplayPhoneNumber     string `json:"display_phone_number"`
		VerifiedName           string `json:"verified_name"`
		Status                 string `json:"status"`
		QualityRating          string `json:"quality_rating"`
		CodeVerificationStatus string `json:"code_verification_status"`
		NameStatus             string `json:"name_status"`
		AccountMode            string `json:"account_mode"`
		PlatformType           string `json:"platform_type"`
		HostPlatform           string `json:"host_platform"`
		Throughput             struct {
			Level string `json:"level"`
		} `json:"throughput"`
		MessagingLimit string            `json:"whatsapp_business_manager_messaging_limit"`
		Health         Health            `json:"health_status"`
		Webhooks       wireConfiguration `json:"webhook_configuration"`
	}
	found, err := list[wire](ctx, c, call{
		method: http.MethodGet,
		path:   []string{businessAccountID, "phone_numbers"},
		query:  url.Values{"fields": {phoneNumberFields}},
		token:  token,
	})
	if err != nil {
		return nil, fmt.Errorf("list the phone numbers of business account %s: %w", businessAccountID, err)
	}
	numbers := make([]PhoneNumber, 0, len(found))
	for _, f := range found {
		n := PhoneNumber{
			ID:                     f.ID,
			DisplayPhoneNumber:     f.DisplayPhoneNumber,
			VerifiedName:           f.VerifiedName,
			Status:                 f.Status,
			QualityRating:          f.QualityRating,
			CodeVerificationStatus: f.CodeVerificationStatus,
			NameStatus:             f.NameStatus,
			AccountMode:            f.AccountMode,
			PlatformType:           f.PlatformType,
			ThroughputLevel:        f.Throughput.Level,
			MessagingLimit:         f.MessagingLimit,
			Health:                 f.Health,
			WebhookConfiguration:   WebhookConfiguration(f.Webhooks),
		}
		if n.PlatformType == "" {
			n.PlatformType = f.HostPlatform
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
