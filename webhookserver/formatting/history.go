package formatting

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// signatureMark is the line that begins a signature, see RFC 3676. The trailing space tells it from a drawn line.
const signatureMark = "-- "

// maxAttribution bounds the lines, and the characters, of what introduces a quote.
const (
	maxAttributionLines  = 3
	maxAttributionLength = 300
)

// subject is what mail clients call the subject of a mail, in the languages that are met most.
const subject = `subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|předmět|тема|主题`

// fact is what is to be known of a line to tell whether it is history.
type fact struct {
	text string
	// cited marks where a mail client's quote was.
	cited bool
	// signature tells that the line is the mark of a signature.
	signature bool
}

func (f fact) quoted() bool { return f.cited || strings.HasPrefix(f.text, ">") }

var (
	// attribution is what mail clients write above a quote, in the languages that are met most.
	attribution = regexp.MustCompile(`(?i)(wrote|writes|schrieb|schreibt|a écrit|escribió|escreveu|ha scritto|schreef|skrev|` +
		`kirjoitti|napsal\(a\)|napísal\(a\)|napisał|napisała|napisał\(a\)|pisze|írta|a scris|yazdı|пишет|написал|написала|написал\(а\)|` +
		`写道|寫道|のメッセージ|님이 작성)[^\p{L}]*[:：]$`)
	// dated is what an introduction has besides, mail addresses aside, unless the quote is marked as one.
	dated   = regexp.MustCompile(`[0-9]`)
	mailbox = regexp.MustCompile(`<[^<>]*>|\S*@\S*`)
	// separator, rule and headers are what Outlook and its like write above a quote.
	separator  = regexp.MustCompile(`^-{3,} ?\p{L}[\p{L}' ’]+ ?-{3,}$`)
	rule       = regexp.MustCompile(`^_{16,}$`)
	fromHeader = regexp.MustCompile(`(?i)^\*?(from|von|de|da|van|från|fra|od|lähettäjä|от|kimden|发件人|寄件者|差出人)\*? ?\*?[:：]`)
	moreHeader = regexp.MustCompile(`(?i)^\*?(sent|date|to|cc|gesendet|datum|an|envoyé|à|enviado|fecha|para|inviato|data|a|verzonden|aan|` +
		`skickat|till|sendt|til|wysłano|do|odesláno|komu|отправлено|кому|发送时间|收件人|` + subject + `)\*? ?\*?[:：]`)
	subjectHeader = regexp.MustCompile(`(?i)^\*?(` + subject + `)\*? ?\*?[:：]`)
)

// withoutHistory drops the lines that are history. What a cut brings together may be history in its turn.
func withoutHistory[L any](lines []L, factOf func(L) fact) []L {
	for {
		facts := make([]fact, len(lines))
		for i, l := range lines {
			facts[i] = factOf(l)
		}
		cut := history(facts)
		kept := lines[:0:0]
		for i, l := range lines {
			if !cut[i] {
				kept = append(kept, l)
			}
		}
		if len(kept) == len(lines) {
			return lines
		}
		lines = kept
	}
}

// history tells which lines are the quoted history of a reply, what introduces it, or the signature.
func history(lines []fact) (cut []bool) {
	cut = make([]bool, len(lines))
	end := len(lines)
	for i, l := range lines {
		if l.signature || headed(lines[i:]) {
			end = i
			break
		}
	}
	for i := end; i < len(lines); i++ {
		cut[i] = true
	}
	for i := 0; i < end; i++ {
		if !lines[i].quoted() || (i > 0 && lines[i-1].quoted() && !lines[i].cited) {
			continue
		}
		introduced := attributed(lines[:i], lines[i].cited)
		for j := i - introduced; j < i; j++ {
			cut[j] = true
		}
		for ; introduced > 0 && i < end && (lines[i].quoted() || lines[i].text == ""); i++ {
			cut[i] = true
		}
		if i < end && lines[i].cited {
			cut[i] = true
		}
	}
	return cut
}

// attributed returns how many of the last lines introduce the quote that follows, blank ones included.
func attributed(before []fact, cited bool) int {
	end := len(before)
	for end > 0 && before[end-1].text == "" && !before[end-1].cited {
		end--
	}
	var joined string
	for n := 1; n <= min(maxAttributionLines, end); n++ {
		l := before[end-n]
		if l.text == "" || l.quoted() {
			break
		}
		joined = strings.TrimSpace(l.text + " " + joined)
		if utf8.RuneCountInString(joined) > maxAttributionLength || !attribution.MatchString(joined) {
			break
		}
		if cited || dated.MatchString(mailbox.ReplaceAllString(joined, "")) {
			return len(before) - end + n
		}
	}
	return 0
}

// headed tells whether the headers of a quoted mail begin here, or the line that is drawn above them.
func headed(lines []fact) bool {
	if separator.MatchString(lines[0].text) {
		lines = afterBlank(lines[1:])
		return len(lines) > 0 && fromHeader.MatchString(lines[0].text)
	}
	if rule.MatchString(lines[0].text) {
		lines = afterBlank(lines[1:])
	}
	if len(lines) == 0 || !fromHeader.MatchString(lines[0].text) {
		return false
	}
	// Journeys and parcels have an origin, a destination and a date, too. Mails have addresses, or a subject.
	more, mail := 0, strings.Contains(lines[0].text, "@")
	for _, l := range lines[1:min(len(lines), 6)] {
		if moreHeader.MatchString(l.text) {
			more++
			mail = mail || subjectHeader.MatchString(l.text) || strings.Contains(l.text, "@")
		}
	}
	return more >= 2 && mail
}

func afterBlank(lines []fact) []fact {
	for len(lines) > 0 && lines[0].text == "" {
		lines = lines[1:]
	}
	return lines
}
