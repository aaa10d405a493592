package cloudapi

import (
	"mime"
	"strings"
)

// MaxCaptionLength is how long a caption may be, in characters.
const MaxCaptionLength = 1024

const mebibyte = 1 << 20

// MaxMediaSize is the size of the largest file that Meta takes or passes on, in bytes.
const MaxMediaSize = 100 * mebibyte

// A MediaKind is what WhatsApp shows a file as. Its values are the message
// types of files.
type MediaKind string

// The kinds of media.
const (
	MediaAudio    MediaKind = "audio"
	MediaDocument MediaKind = "document"
	MediaImage    MediaKind = "image"
	MediaSticker  MediaKind = "sticker"
	MediaVideo    MediaKind = "video"
)

// MaxSize is how large a file of this kind may be that a business sends, in bytes.
func (k MediaKind) MaxSize() int64 {
	switch k {
	case MediaAudio, MediaVideo:
		return 16 * mebibyte
	case MediaDocument:
		return MaxMediaSize
	case MediaImage:
		return 5 * mebibyte
	case MediaSticker:
		return 500 << 10
	}
	return 0
}

// Captioned tells whether WhatsApp shows a caption with this kind.
func (k MediaKind) Captioned() bool {
	return k == MediaImage || k == MediaVideo || k == MediaDocument
}

var kindOfType = map[string]MediaKind{
	"audio/aac": MediaAudio, "audio/amr": MediaAudio, "audio/mpeg": MediaAudio, "audio/mp4": MediaAudio, "audio/ogg": MediaAudio,
	"text/plain": MediaDocument, "application/pdf": MediaDocument,
	"application/msword": MediaDocument, "application/vnd.ms-excel": MediaDocument, "application/vnd.ms-powerpoint": MediaDocument,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   MediaDocument,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         MediaDocument,
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": MediaDocument,
	"image/jpeg": MediaImage, "image/png": MediaImage,
	"image/webp": MediaSticker,
	"video/mp4":  MediaVideo, "video/3gpp": MediaVideo,
}

// KindOfMedia returns what WhatsApp shows a file of a MIME type as, and false
// for the types that Meta does not take.
func KindOfMedia(mimeType string) (MediaKind, bool) {
	base, _, err := mime.ParseMediaType(mimeType)
	if err != nil {
		base, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(mimeType)), ";")
	}
	kind, ok := kindOfType[base]
	return kind, ok
}
