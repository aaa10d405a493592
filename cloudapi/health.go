package cloudapi

// What Meta says of a phone number's, account's, business's or app's ability to send.
const (
	SendingAvailable = "AVAILABLE"
	SendingLimited   = "LIMITED"
	SendingBlocked   = "BLOCKED"
)

// Health tells whether Meta lets a phone number send, as far as Meta knows without trying.
type Health struct {
	// CanSendMessage is an open string: the worst of what the entities have.
	CanSendMessage string `json:"can_send_message"`
	// Entities are the number and what it belongs to: "PHONE_NUMBER", "WABA", "BUSINESS" and "APP".
	Entities []EntityHealth `json:"entities,omitempty"`
}

// EntityHealth is the part that one entity has in it.
type EntityHealth struct {
	Type           string          `json:"entity_type"`
	ID             string          `json:"id"`
	CanSendMessage string          `json:"can_send_message"`
	Problems       []HealthProblem `json:"errors,omitempty"`
}

// HealthProblem is a reason of Meta's, in Meta's words.
type HealthProblem struct {
	Code        int    `json:"error_code"`
	Description string `json:"error_description"`
	Solution    string `json:"possible_solution"`
}
