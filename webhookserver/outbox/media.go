package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// fetchAttempts is how often a file is asked for that WhatsApp says it has not, or that arrives damaged.
	fetchAttempts = 5
	// oddAttempts is how often it is asked for where the answer is no file: a redirect, say.
	oddAttempts = 12
)

// What agents are told of a file that cannot be had.
const (
	fileGone     = "WhatsApp no longer has it. Ask the customer to send it again."
	fileDamaged  = "It arrived damaged each time. Ask the customer to send it again."
	fileTooLarge = "It is larger than the %d KiB that are taken for this kind of file. Ask the customer for a smaller one."
	fileRefused  = "WhatsApp does not hand it out: %s"
)

// MediaCaller fetches the files of customers' messages.
type MediaCaller struct {
	// Graph tells where to fetch them from.
	Graph *GraphCaller
	// Files takes them.
	Files media.Files
}

// errDamaged is the cause of a file that is not what the webhook said.
var errDamaged = errors.New("the file's hash is not the one that WhatsApp told")

// Call implements Caller. The result says what was fetched.
func (m *MediaCaller) Call(ctx context.Context, e store.Effect, _ conversation.State) (string, error) {
	result, err := m.fetch(ctx, e.FetchMedia)
	// Meta serves many: what is not there, or wrong, may be right a moment later.
	final := e.Attempts >= fetchAttempts
	var odd *cloudapi.AnswerError
	switch class := cloudapi.ClassOf(err); {
	case errors.Is(err, cloudapi.ErrTooLarge):
		return "", &lostError{reason: fmt.Sprintf(fileTooLarge, largest(e.FetchMedia.File)>>10)}
	case !final:
	case errors.As(err, &odd) && odd.HTTPStatus < 500 && e.Attempts >= oddAttempts:
		return "", &lostError{reason: fmt.Sprintf(fileRefused, err)}
	case errors.Is(err, errDamaged):
		return "", &lostError{reason: fileDamaged}
	case class == cloudapi.ClassNotFound:
		return "", &lostError{reason: fileGone}
	case class == cloudapi.ClassMedia, class == cloudapi.ClassInvalidRequest:
		return "", &lostError{reason: fmt.Sprintf(fileRefused, err)}
	}
	return result, err
}

func (m *MediaCaller) fetch(ctx context.Context, want *conversation.FetchMedia) (string, error) {
	account := m.Graph.Account()
	if account.AccessToken == "" {
		return "", errNoToken
	}
	// The URL lives for minutes, so each attempt asks for a new one.
	var found cloudapi.Media
	if err := m.Graph.prove(account, func(client *cloudapi.Client) (err error) {
		found, err = client.Media(ctx, account.AccessToken, want.MediaID)
		return err
	}); err != nil {
		return "", err
	}
	client, err := m.Graph.clientOf(account)
	if err != nil {
		return "", err
	}
	draft, err := m.Files.Draft(ctx)
	if err != nil {
		return "", err
	}
	defer draft.Discard()
	if _, err := client.Download(ctx, account.AccessToken, found, draft, largest(want.File)); err != nil {
		return "", err
	}
	if draft.SHA256() != cmp.Or(want.File.SHA256, found.SHA256, draft.SHA256()) {
		return "", errDamaged
	}
	if err := draft.Keep(want.File.ID); err != nil {
		return "", err
	}
	return result(draft.SHA256(), draft.Size()), nil
}

// largest returns how large a file is taken, in bytes. Customers may send larger ones than businesses.
func largest(f conversation.File) int64 {
	size := 4 * cloudapi.MediaKind(f.Kind).MaxSize()
	if size == 0 || size > cloudapi.MaxMediaSize {
		return cloudapi.MaxMediaSize
	}
	return size
}

// Find implements Caller: a file that is there is whole, and was checked.
func (m *MediaCaller) Find(ctx context.Context, e store.Effect) (string, bool, error) {
	size, sum, err := m.Files.Look(ctx, e.FetchMedia.File.ID)
	if errors.Is(err, media.ErrNoFile) {
		return "", false, nil
	}
	return result(sum, size), err == nil, err
}

// Judge implements Caller. Fetching once more changes nothing, so that nothing is ever in doubt.
func (m *MediaCaller) Judge(err error) Verdict {
	v := Verdict{Means: TryAgain, Reason: err.Error(), After: cloudapi.RetryAfter(err)}
	var lost *lostError
	switch class := cloudapi.ClassOf(err); {
	case errors.As(err, &lost):
		v.Means = Refused
	case errors.Is(err, errNoToken), class == cloudapi.ClassInvalidToken, class == cloudapi.ClassAppSecret:
		v.Means = StopUntilChanged
	case class == cloudapi.ClassPermission:
		v.Means = Stop
	}
	return v
}

func result(sum string, size int64) string { return sum + "/" + strconv.FormatInt(size, 10) }

// keptFile is the file that a fetch with this result has kept.
func keptFile(e store.Effect, result string) conversation.File {
	f := e.FetchMedia.File
	sum, size, _ := strings.Cut(result, "/")
	f.SHA256 = sum
	// A result that is not ours leaves the size unknown.
	f.Size, _ = strconv.ParseInt(size, 10, 64)
	return f
}

// fetched says what the result of a fetch was.
func fetched(e store.Effect, result string) conversation.Event {
	return conversation.MediaFetched{Epoch: e.Epoch, ArticleID: e.FetchMedia.ArticleID, File: keptFile(e, result)}
}

// notFetched says why a fetch was given up.
func notFetched(e store.Effect, reason string) conversation.Event {
	return conversation.MediaFailed{Epoch: e.Epoch, ArticleID: e.FetchMedia.ArticleID, File: e.FetchMedia.File, Reason: reason}
}
