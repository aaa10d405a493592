package engine

import (
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// SettingsOf returns what a channel's declaration says about conversations.
func SettingsOf(c config.Channel) conversation.Settings {
	s := conversation.Settings{
		TargetGroup: c.TargetGroup,
		Welcome:     c.Messages.Welcome,
		Goodbye:     c.Messages.Goodbye,
		Unsupported: c.Messages.Unsupported,
	}
	if r := c.Messages.Reminder; r != nil {
		s.Reminder, s.ReminderAfter = r.Text, time.Duration(r.AfterMinutes)*time.Minute
	}
	return s
}
