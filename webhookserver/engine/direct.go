package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// What an agent can get wrong.
var (
	ErrNoTicket   = errors.New("there is no such ticket")
	ErrKeyReused  = errors.New("this idempotency key was used for another request; use a new key for each reply")
	ErrEmptyReply = errors.New("the reply has no text")
)

// Direct lets agents work on conversations by themselves, where the helpdesk keeps no tickets that they could work on.
// The helpdesk is told of it, because others may listen there, too.
type Direct struct {
	Store store.Store
	Clock clock.Clock
}

// Reply queues an agent's reply, with files that are kept already, for the customer of a conversation. The same key
// always means the same reply.
func (d Direct) Reply(ctx context.Context, of, key, text string, files []conversation.File) (conversation.Article, error) {
	text = strings.TrimSpace(text)
	if text == "" && len(files) == 0 {
		return conversation.Article{}, ErrEmptyReply
	}
	now := d.Clock.Now()
	article := conversation.Article{
		ID: ReplyID(of, "direct/"+key), Author: conversation.AuthorAgent, Text: text, WrittenAt: now,
	}
	content := []string{"reply", text}
	for _, f := range files {
		content = append(content, f.ID)
		article.Attachments = append(article.Attachments, conversation.Attachment{File: f, State: conversation.AttachmentKept})
	}
	_, err := d.once(ctx, of, key, strings.Join(content, "\x00"), now, func(tx *store.Tx, state conversation.State) error {
		event := conversation.ReplyWritten{ID: article.ID, Epoch: state.Epoch, Text: text, Files: files}
		if err := Apply(tx, of, event, now); err != nil {
			return err
		}
		return tx.AddEffects(of, []conversation.Effect{{
			Key: article.ID + "/article", Kind: conversation.KindAddArticle, Epoch: state.Epoch, AddArticle: &article,
		}}, now)
	})
	return article, err
}

// Change brings the present ticket of a conversation into a state, and returns the state that it is in then.
func (d Direct) Change(ctx context.Context, of, key string, to conversation.TicketState, settings conversation.Settings) (conversation.TicketState, error) {
	now := d.Clock.Now()
	return d.once(ctx, of, key, "state\x00"+string(to), now, func(tx *store.Tx, state conversation.State) error {
		if stateOf(state) == to {
			return nil
		}
		if err := Apply(tx, of, inState(state.Epoch, to, settings), now); err != nil {
			return err
		}
		return tx.AddEffects(of, []conversation.Effect{{
			Key: ReplyID(of, "state/"+key), Kind: conversation.KindSetState, Epoch: state.Epoch,
			SetState: &conversation.SetState{State: to},
		}}, now)
	})
}

// once does something to the present ticket of a conversation, the first time that it is asked to with a key.
func (d Direct) once(
	ctx context.Context, of, key, content string, now time.Time, fn func(*store.Tx, conversation.State) error,
) (after conversation.TicketState, err error) {
	sum := sha256.Sum256([]byte(content))
	fingerprint := hex.EncodeToString(sum[:])
	err = d.Store.Update(ctx, func(tx *store.Tx) error {
		state, found, err := tx.Conversation(of)
		if err != nil {
			return err
		}
		if !found || state.Epoch == 0 {
			return ErrNoTicket
		}
		noted, _, fresh, err := tx.RememberRequest("direct/"+of+"/"+key, fingerprint, "", now)
		switch {
		case err != nil:
			return err
		case noted != fingerprint:
			return ErrKeyReused
		case fresh:
			if err := fn(tx, state); err != nil {
				return fmt.Errorf("do what an agent asked for: %w", err)
			}
			if state, _, err = tx.Conversation(of); err != nil {
				return err
			}
		}
		after = stateOf(state)
		return nil
	})
	return after, err
}
