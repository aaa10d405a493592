package crash_test

import (
	"context"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/crash"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// openFiles is a helpdesk whose agents open the customer's picture, and look what else is on the volume.
type openFiles struct{ crash.Helpdesk }

func (o openFiles) Tickets(ctx context.Context, p *crash.Process) ([]crash.Ticket, error) {
	size, _, err := p.Files.Look(ctx, conversation.FileID(crash.PictureMessage))
	if err != nil {
		return nil, err
	}
	if size != int64(len(crash.Picture)) {
		return nil, fmt.Errorf("the customer's picture has %d bytes of %d", size, len(crash.Picture))
	}
	files, err := p.Files.Before(ctx, time.Now().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	if len(files) != 3 {
		return nil, fmt.Errorf("on the volume are %d files, not the picture and the two of the agent", len(files))
	}
	return o.Helpdesk.Tickets(ctx, p)
}
