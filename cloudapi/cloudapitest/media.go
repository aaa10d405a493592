package cloudapitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	filesPath = "/whatsapp_business/attachments/file/"
	maxUpload = cloudapi.MaxMediaSize + maxBody
	// How long media can be looked up.
	receivedMediaLifetime = 7 * 24 * time.Hour
	uploadedMediaLifetime = 30 * 24 * time.Hour
)

// File is a file that a customer sends, or a business uploaded.
type File struct {
	// Kind is the message type: image, video, audio, document or sticker.
	Kind     cloudapi.MediaKind `json:"kind"`
	MIMEType string             `json:"mimeType"`
	Name     string             `json:"name,omitempty"`
	Caption  string             `json:"caption,omitempty"`
	Content  []byte             `json:"content"`

	// What goes wrong, for tests. WrongHash makes the hashes those of another
	// file, URL is what the node says instead of the right one, Redirect is where
	// the download redirects to, and CutAfter ends the connection after that many
	// bytes, or keeps it open without sending more, where Stall is set.
	WrongHash bool   `json:"wrongHash,omitempty"`
	URL       string `json:"url,omitempty"`
	Redirect  string `json:"redirect,omitempty"`
	CutAfter  int    `json:"cutAfter,omitempty"`
	Stall     bool   `json:"stall,omitempty"`
	// Size is what the node says instead of the right size.
	Size int64 `json:"size,omitempty"`
}

// media is a file that is kept.
type media struct {
	File
	id      string
	appID   string
	number  string
	expires time.Time
	// urls holds when each URL that was given out ends.
	urls map[string]time.Time
}

func (f File) sum() []byte {
	content := f.Content
	if f.WrongHash {
		content = append([]byte("another file "), content...)
	}
	sum := sha256.Sum256(content)
	return sum[:]
}

// SendsFile lets the customer send a file to a number and returns the wamid and the media ID.
func (c *Customer) SendsFile(phoneNumberID string, f File) (wamid, mediaID string) {
	s := c.server
	s.mu.Lock()
	kept := s.keep(f, phoneNumberID, s.clock.Now().Add(receivedMediaLifetime))
	s.mu.Unlock()
	content := map[string]any{"id": kept.id, "mime_type": f.MIMEType, "sha256": base64.StdEncoding.EncodeToString(f.sum())}
	if f.Caption != "" {
		content["caption"] = f.Caption
	}
	if f.Name != "" {
		content["filename"] = f.Name
	}
	return c.Sends(phoneNumberID, map[string]any{"type": string(f.Kind), string(f.Kind): content}), kept.id
}

// Media returns a file by its media ID.
func (s *Server) Media(id string) (File, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.media[id]
	if kept == nil {
		return File{}, false
	}
	return kept.File, true
}

// ReplaceMedia changes a file that is kept: what goes wrong with it, say.
func (s *Server) ReplaceMedia(id string, f File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media[id].File = f
}

// ForgetMedia lets a file be gone.
func (s *Server) ForgetMedia(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.media, id)
}

func (s *Server) keep(f File, number string, expires time.Time) *media {
	kept := &media{File: f, id: s.orID(""), number: number, expires: expires, urls: map[string]time.Time{}}
	s.media[kept.id] = kept
	return kept
}

// eitherNode serves the nodes, whose paths look the same.
func (s *Server) eitherNode(number, file http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		_, isNumber := s.numbers[r.PathValue("object")]
		s.mu.Unlock()
		// Without fields, an object that is not there was meant for a file.
		if isNumber || r.URL.Query().Has("fields") {
			number.ServeHTTP(w, r)
		} else {
			file.ServeHTTP(w, r)
		}
	})
}

func (s *Server) mediaNode(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	kept := s.media[c.object]
	if kept == nil || !now.Before(kept.expires) {
		return nil, &graphError{status: http.StatusBadRequest, code: 100, subcode: 33, kind: graphMethodException,
			message: "Unsupported get request. Object with ID '" + c.object + "' does not exist, cannot be loaded due to missing permissions, or does not support this operation"}
	}
	if c.token == nil || !slices.Contains(c.token.Scopes, cloudapi.ScopeMessaging) {
		return nil, permissionMissing(cloudapi.ScopeMessaging)
	}
	key := randomHex(16)
	kept.urls[key] = now.Add(cloudapi.MediaURLLifetime)
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	url := scheme + c.r.Host + filesPath + kept.id + "?key=" + key
	if kept.URL != "" {
		url = kept.URL
	}
	size := kept.Size
	if size == 0 {
		size = int64(len(kept.Content))
	}
	return map[string]any{
		"messaging_product": "whatsapp", "id": kept.id, "url": url, "mime_type": kept.MIMEType,
		"sha256": hex.EncodeToString(kept.sum()), "file_size": strconv.FormatInt(size, 10),
	}, nil
}

// downloadMedia serves a file. It is not one of the Graph API's own calls: errors are plain.
func (s *Server) downloadMedia(w http.ResponseWriter, r *http.Request) {
	entry := Request{Time: s.clock.Now(), Endpoint: DownloadMedia, Object: r.PathValue("object"), UserAgent: r.UserAgent()}
	if f := s.failureFor(DownloadMedia, entry.Object); f != nil {
		s.failWith(w, r, f, entry)
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	var f File
	kept := s.media[entry.Object]
	entry.Status = http.StatusOK
	switch {
	case s.problem(s.tokens[token]) != nil:
		entry.Status = http.StatusUnauthorized
	case kept == nil || !s.clock.Now().Before(kept.urls[r.URL.Query().Get("key")]):
		entry.Status = http.StatusNotFound
	default:
		f = kept.File
		if f.Redirect != "" {
			entry.Status = http.StatusFound
		}
	}
	s.mu.Unlock()
	// The call is on record before the caller can look for it.
	s.record(entry)
	switch {
	case f.Redirect != "":
		http.Redirect(w, r, f.Redirect, http.StatusFound)
	case entry.Status != http.StatusOK:
		w.WriteHeader(entry.Status)
	case f.CutAfter > 0:
		s.cutOff(w, r, f)
	default:
		w.Header().Set("Content-Type", f.MIMEType)
		_, _ = w.Write(f.Content)
	}
}

func (s *Server) cutOff(w http.ResponseWriter, r *http.Request, f File) {
	_, _ = w.Write(f.Content[:f.CutAfter])
	_ = http.NewResponseController(w).Flush()
	if f.Stall {
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	closeConnection(w)
}

// readMultipart reads a form with a file.
func readMultipart(r *http.Request, body []byte, parameters map[string]any) *graphError {
	_, options, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := multipart.NewReader(bytes.NewReader(body), options["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badParameter("Invalid multipart form in request body")
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return badParameter("Invalid multipart form in request body")
		}
		if part.FileName() == "" {
			parameters[part.FormName()] = string(content)
			continue
		}
		parameters[part.FormName()] = File{Name: part.FileName(), MIMEType: part.Header.Get("Content-Type"), Content: content}
	}
}

func (s *Server) uploadMedia(c *graphCall) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, failed := s.number(c, cloudapi.ScopeMessaging)
	if failed != nil {
		return nil, failed
	}
	if c.text("messaging_product") != "whatsapp" {
		return nil, badParameter("The parameter messaging_product is required.")
	}
	file, ok := c.parameters["file"].(File)
	if !ok {
		return nil, badParameter("The parameter file is required.")
	}
	if file.Kind, ok = cloudapi.KindOfMedia(file.MIMEType); !ok {
		types := slices.Sorted(maps.Keys(map[string]bool{"audio/ogg": true, "application/pdf": true, "image/jpeg": true, "video/mp4": true}))
		return nil, badParameter("Param file must be a file with one of the following types: %s, … Received file of type '%s'.",
			strings.Join(types, ", "), file.MIMEType)
	}
	if int64(len(file.Content)) > file.Kind.MaxSize() {
		return nil, messageError(131053, "The file is too large.")
	}
	kept := s.keep(file, n.ID, s.clock.Now().Add(uploadedMediaLifetime))
	kept.appID = c.app.ID
	return map[string]any{"id": kept.id}, nil
}

// readMedia checks the file of a message.
func (s *Server) readMedia(c *graphCall, m *SentMessage) *graphError {
	switch cloudapi.MediaKind(m.Type) {
	case cloudapi.MediaAudio, cloudapi.MediaDocument, cloudapi.MediaImage, cloudapi.MediaSticker, cloudapi.MediaVideo:
	default:
		return nil
	}
	content, _ := c.parameters[m.Type].(map[string]any)
	m.MediaID, _ = content["id"].(string)
	m.Caption, _ = content["caption"].(string)
	m.Filename, _ = content["filename"].(string)
	kept := s.media[m.MediaID]
	switch link, _ := content["link"].(string); {
	case m.MediaID == "" && link != "":
		return nil
	case kept == nil || kept.number != m.PhoneNumberID || !s.clock.Now().Before(kept.expires):
		return badParameter("Param %s['id'] is not a valid whatsapp business account media attachment ID", m.Type)
	case kept.Kind != cloudapi.MediaKind(m.Type):
		return messageError(131053, "The file is not of the kind that the message says.")
	case utf8.RuneCountInString(m.Caption) > cloudapi.MaxCaptionLength:
		return badParameter("Param %s['caption'] must be at most %d characters long.", m.Type, cloudapi.MaxCaptionLength)
	}
	return nil
}
