package formatting_test

import (
	"errors"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/formatting"
)

type cases map[string]struct{ from, want string }

func (c cases) run(t *testing.T, format formatting.Format) {
	t.Helper()
	for name, tc := range c {
		got, err := formatting.Convert(tc.from, format)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(strings.Split(tc.want, "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPlain(t *testing.T) {
	cases{
		"as it is":             {"Hello *Ann*,\n\n\n  _see_ 2*3*4 & <b>", "Hello *Ann*,\n\n\n  _see_ 2*3*4 & <b>"},
		"line breaks":          {"a\r\nb\rc \t\n\n", "a\nb\nc"},
		"what shows nothing":   {"\ufeffsoft\u00adhyphen\x00\x1b[0m", "softhyphen[0m"},
		"broken encoding":      {"a\xffb", "a\ufffdb"},
		"emoji, right to left": {"👩‍👩‍👧‍👦 שלום \u200fمرحبا", "👩‍👩‍👧‍👦 שלום \u200fمرحبا"},
		"signature":            {"Done.\n\n-- \nAnn\nSupport", "Done."},
		"a drawn line":         {"Done.\n\n--\nNext", "Done.\n\n--\nNext"},
		"history": {
			"It is on its way.\n\nOn Tue, 3 Nov 2026 at 09:12, Bob Miller <bob@example.com> wrote:\n> Where is it?\n>\n> Bob\n",
			"It is on its way.",
		},
		"history, its introduction wrapped": {
			"Yes.\n\nAm Dienstag, den 3. November 2026 um 09:12 schrieb Bob Miller\n<bob@example.com>:\n\n> Wo?",
			"Yes.\n\nAm Dienstag, den 3. November 2026 um 09:12 schrieb Bob Miller\n<bob@example.com>:\n\n> Wo?",
		},
		"history, wrapped before the verb": {
			"Yes.\n\nOn Tue, 3 Nov 2026 at 09:12, Bob Miller\n<bob@example.com> wrote:\n\n> Where?",
			"Yes.",
		},
		"answers between quotes": {
			"On 3 Nov 2026, Bob wrote:\n> When?\nToday.\n> Where?\nHere.",
			"Today.\n> Where?\nHere.",
		},
		"a quote that the agent made":         {"You wrote:\n> no refund\nThat was wrong.", "You wrote:\n> no refund\nThat was wrong."},
		"an introduction without a quote":     {"On 3 Nov 2026, Bob wrote:\nnothing.", "On 3 Nov 2026, Bob wrote:\nnothing."},
		"Outlook's separator":                 {"Fine.\n\n-----Original Message-----\nFrom: Bob\nSent: today\n\nHello", "Fine."},
		"Outlook's headers":                   {"Fine.\n\nVon: Bob\nGesendet: heute\nAn: Ann\nBetreff: Frage\n\nHallo", "Fine."},
		"a line that looks like a separator":  {"Prices\n----- per item -----\n3 €", "Prices\n----- per item -----\n3 €"},
		"a line that begins as a header does": {"From: Berlin\nBy train", "From: Berlin\nBy train"},
		"a journey": {
			"Confirmed:\nFrom: Berlin Hbf\nTo: Paris Est\nDate: 12 May, 10:05\nPlease be early.", "Confirmed:\nFrom: Berlin Hbf\nTo: Paris Est\nDate: 12 May, 10:05\nPlease be early.",
		},
		"a parcel under a line": {
			"Ihr Paket\n____________________\nVon: Hamburg\nAn: München\nDatum: 5. Mai", "Ihr Paket\n____________________\nVon: Hamburg\nAn: München\nDatum: 5. Mai",
		},
		"Outlook's headers under a line": {"Fine.\n____________________\nFrom: Bob <bob@example.com>\nSent: today\nTo: Ann\n\nHello", "Fine."},
		"headers without a subject":      {"Fine.\n\nFrom: Bob <bob@example.com>\nSent: today\nTo: Ann\n\nHello", "Fine."},
		"nothing but history":            {"On 3 Nov 2026, Bob wrote:\n> x", ""},
	}.run(t, formatting.Plain)
}

func TestMarkdown(t *testing.T) {
	cases{
		"styles":          {"**bold** __too__, *italic* _too_, ~~gone~~, `code`, ***both***", "*bold* *too*, _italic_ _too_, ~gone~, `code`, *_both_*"},
		"line breaks":     {"one\ntwo\n\nthree", "one\ntwo\n\nthree"},
		"heading":         {"# Steps\nDo *this*.", "*Steps*\n\nDo _this_."},
		"lists":           {"- one\n- two\n  - inner\n\n3. three\n4. four", "- one\n- two\n  - inner\n\n3. three\n4. four"},
		"loose list":      {"- one\n\n- two", "- one\n- two"},
		"tasks":           {"- [x] paid\n- [ ] sent", "- [x] paid\n- [ ] sent"},
		"quote":           {"> no refund\n> ever\n\nThat was wrong.", "> no refund\n> ever\n\nThat was wrong."},
		"code block":      {"Run:\n\n```sh\nls -l\n  *.go\n```\n\nDone.", "Run:\n\n```ls -l\n  *.go```\n\nDone."},
		"code in a list":  {"1. Run\n   ```\n   a\n   b\n   ```", "1. Run\n   ```a```\n   ```b```"},
		"links":           {"[shop](https://example.com/a) <https://example.com> https://example.com/_x_/", "shop (https://example.com/a) https://example.com https://example.com/_x_/"},
		"mail address":    {"[us](mailto:a@example.com?subject=x) or <b@example.com>", "us (a@example.com) or b@example.com"},
		"image":           {"![the form](https://example.com/f.png)", "the form (https://example.com/f.png)"},
		"table":           {"| Item | Price |\n|---|---|\n| Pen | 3 € |\n| Ink | 9 € |", "*Item* | *Price*\nPen | 3 €\nInk | 9 €"},
		"line":            {"a\n\n---\n\nb", "a\n\n---\n\nb"},
		"escaped marks":   {`\*not bold\* and 2\*3\*4 and \_no\_`, "∗not bold∗ and 2*3*4 and ˍnoˍ"},
		"names":           {"see snake_case_name and a * b * c", "see snake_case_name and a * b * c"},
		"entities":        {"Fish &amp; chips &lt;3 &copy;", "Fish & chips <3 ©"},
		"HTML":            {"<b>bold</b> and <script>alert(1)</script>text", "*bold* and text"},
		"signature":       {"Done.\n\n-- \nAnn\nSupport", "Done."},
		"history":         {"Yes.\n\nOn 3 Nov 2026, Bob wrote:\n\n> Where?\n>\n> Bob", "Yes."},
		"part of a word":  {"un**believ**able", "unbelievable"},
		"emphasis at gap": {"**Note:** read *this*!", "*Note:* read _this_!"},
	}.run(t, formatting.Markdown)
}

func TestHTML(t *testing.T) {
	cases{
		"styles":              {"<b>bold</b> <strong>too</strong>, <i>italic</i> <em>too</em>, <s>gone</s> <del>too</del>, <code>code</code>", "*bold* *too*, _italic_ _too_, ~gone~ ~too~, `code`"},
		"white space":         {"<p>\n  Hello\n  <b> Ann </b> ,\n</p>\n<p>bye</p>", "Hello *Ann* ,\n\nbye"},
		"over lines":          {"<b>one<br>two</b>", "*one*\n*two*"},
		"nested":              {"<b>all <i>of</i> it</b>", "*all _of_ it*"},
		"overlapping":         {"<b>one <i>two</i></b><i> three</i>", "*one two* three"},
		"style sheet":         {`<span style="font-weight: 700">b</span> <span style="font-style:italic">i</span> <b style="font-weight:normal">n</b> <span style="text-decoration: line-through">s</span>`, "*b* _i_ n ~s~"},
		"code keeps marks":    {"<b>see <code>*x*</code></b>", "*see `*x*`*"},
		"meant for the eye":   {"2*3*4 *and* _so_ ~really~<p>~5 to ~10", "2*3*4 ∗and∗ ˍsoˍ ∼really∼\n\n~5 to ~10"},
		"marks beside marks":  {"<b>a*b</b> * <b>c</b> *d", "*a*b* * *c* ∗d"},
		"a form to fill in":   {"Name: ____ Date: ____", "Name: ____ Date: ____"},
		"backticks":           {"`x` and ```y```", "ˋxˋ and ˋˋˋyˋˋˋ"},
		"addresses":           {"https://example.com/*a*/_b_/~c~", "https://example.com/*a*/_b_/~c~"},
		"lists":               {"<ul><li>one</li><li>two<ol start=3><li>a</li><li><p>b</p><p>c</p></li></ol></li></ul>end", "- one\n- two\n  3. a\n  4. b\n     c\n\nend"},
		"description list":    {"<dl><dt>Term</dt><dd>what it is</dd></dl>", "*Term*\n  what it is"},
		"quotes":              {"<blockquote>one<br>two<blockquote>three</blockquote></blockquote>four", "> one\n> two\n\n> > three\n\nfour"},
		"code block":          {"<pre><code>if a {\n\tb()\n}\n</code></pre>", "```if a {\n\tb()\n}```"},
		"code with a fence":   {"<pre>a ``` b</pre>", "a ``` b"},
		"code in a quote":     {"<blockquote><pre>a\n\nb</pre></blockquote>", "> ```a```\n>\n> ```b```"},
		"links":               {`<a href="https://example.com/a b">here</a>, <a href="https://example.com/">example.com</a>, <a href="tel:+49301234">+49 30 1234</a>, <a href="#top">up</a>, <a href="javascript:alert(1)">no</a>, <a href="https://example.com/c"><img src="cid:1"></a>`, "here (https://example.com/a%20b), example.com, +49 30 1234, up, no, [image] (https://example.com/c)"},
		"bold link":           {`<b><a href="https://example.com/x">shop</a></b>!`, "*shop* (https://example.com/x)!"},
		"images":              {`<img alt="😀" src="https://example.com/e.png"> <img src="cid:1" alt="logo"> <img src="data:image/png;base64,AAAA"> <img width=1 src="https://example.com/t.gif">`, "😀 [logo] [image]"},
		"table":               {"<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>", "*A* | *B*\n1 | 2"},
		"table for layout":    {"<table><tr><td><p>one</p><p>two</p></td></tr><tr><td>three</td></tr></table>", "one\n\ntwo\nthree"},
		"entities":            {"a&nbsp;&amp;&nbsp;b &lt;c&gt; &#128077; &hellip;", "a & b <c> 👍 …"},
		"blank lines":         {"<div>a</div><div><br></div><div>b</div><div>&nbsp;</div><div>c</div><br><br><br>d", "a\n\nb\n\nc\n\nd"},
		"what is not seen":    {`<head><title>T</title><style>p{}</style></head><script>x</script><!-- c --><p style="display:none !important">preview</p><p hidden>h</p>text`, "text"},
		"a whole document":    {"<!DOCTYPE html><html><body><p>Hi</p></body></html>", "Hi"},
		"broken":              {"<b>one <p>two</i></b> & < three", "*one*\n\n*two* & < three"},
		"right to left":       {`<p dir="rtl"><b>שלום</b> לך &rlm;מ&zwj;ר</p>`, "*שלום* לך \u200fמ\u200dר"},
		"part of a word":      {"un<b>believ</b>able <b>H</b>2", "unbelievable H2"},
		"signature mark":      {"<div>Done.</div><div>-- <br></div><div>Ann</div>", "Done."},
		"a drawn line":        {"<div>Done.</div><div>--</div><div>Next</div>", "Done.\n--\nNext"},
		"headers as in Gmail": {`<div dir="ltr">Yes.<div><br></div><span class="gmail_signature_prefix">-- </span><br><div class="gmail_signature" data-smartmail="gmail_signature">Ann</div></div><br><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">On Tue, Nov 3, 2026 Bob wrote:<br></div><blockquote class="gmail_quote">Where?</blockquote></div>`, "Yes."},
	}.run(t, formatting.HTML)
}

// Replies as helpdesks and mail clients write them, with the history that they add.
func TestHistoryInHTML(t *testing.T) {
	cases{
		"Zammad": {
			`<div>Hello Bob,</div><div><br></div><div>it is on its <b>way</b>.</div><div><br></div><div data-signature="true" data-signature-id="1"><div>Ann Smith</div><div>Support</div></div>` +
				`<div><br></div><div>On Tuesday, November 3rd 2026 at 09:12, Bob Miller wrote:</div><div><blockquote type="cite"><div>Where is it?</div></blockquote></div>`,
			"Hello Bob,\n\nit is on its *way*.",
		},
		"Zammad, selected text": {
			`<blockquote type="cite">Where is it?<br></blockquote><div>On its way.</div>`,
			"On its way.",
		},
		"Apple Mail": {
			`<html><body>Yes.<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>Am 03.11.2026 um 09:12 schrieb Bob &lt;bob@example.com&gt;:</div><br><div>Wo?</div></blockquote></div><br></body></html>`,
			"Yes.",
		},
		"Thunderbird": {
			`<p>Yes.</p><div class="moz-signature">-- <br>Ann</div><div class="moz-cite-prefix">Le 03/11/2026 à 09:12, Bob a écrit&nbsp;:<br></div><blockquote type="cite" cite="mid:1@example.com"><p>Où ?</p></blockquote>`,
			"Yes.",
		},
		"Outlook on the web": {
			`<div>Yes.</div><div id="Signature"><p>Ann</p></div><div id="appendonsend"></div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> Bob<br><b>Sent:</b> today</div><div>Where?</div>`,
			"Yes.",
		},
		"Outlook for desktop": {
			`<div class="WordSection1"><p class="MsoNormal">Yes.<o:p></o:p></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p><div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>From:</b> Bob Miller &lt;bob@example.com&gt; <br><b>Sent:</b> Tuesday, November 3, 2026 9:12 AM<br><b>To:</b> Ann<br><b>Subject:</b> Question</p></div><p class="MsoNormal">Where?</p></div>`,
			"Yes.",
		},
		"Proton":                          {`<div>Yes.</div><div class="protonmail_signature_block">Ann</div><div class="protonmail_quote">On Tuesday, Bob wrote:<blockquote>Where?</blockquote></div>`, "Yes."},
		"quote without a mark":            {`<p>Yes.</p><p>On 3 Nov 2026 at 09:12, Bob wrote:</p><blockquote>Where?</blockquote><p>Also: no.</p>`, "Yes.\n\nAlso: no."},
		"a quote that the agent made":     {`<p>Our terms say:</p><blockquote>no refund</blockquote><p>Sorry.</p>`, "Our terms say:\n\n> no refund\n\nSorry."},
		"an introduction without a quote": {`<p>On 3 Nov 2026 Bob wrote:</p><p>nothing.</p>`, "On 3 Nov 2026 Bob wrote:\n\nnothing."},
		"a journey": {
			"<div>Confirmed:</div><div>From: Berlin</div><div>To: Paris</div><div>Date: 12 May</div><div>Be early.</div>",
			"Confirmed:\nFrom: Berlin\nTo: Paris\nDate: 12 May\nBe early.",
		},
		"nothing but history": {`<blockquote type="cite">Where?</blockquote>`, ""},
	}.run(t, formatting.HTML)
}

func TestConvertRefuses(t *testing.T) {
	if _, err := formatting.Convert("x", "rtf"); !errors.Is(err, formatting.ErrUnknownFormat) {
		t.Errorf("an unknown format: %v", err)
	}
	for _, format := range []formatting.Format{formatting.HTML, formatting.Markdown} {
		if _, err := formatting.Convert(strings.Repeat("<div>", 2000), format); !errors.Is(err, formatting.ErrTooDeep) {
			t.Errorf("%s, nested 2000 deep: %v", format, err)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"", "*a* _b_ ~c~ `d` ```e```", "<b>a <i>b</i></b><i> c</i>", "<table><tr><td><blockquote type=cite>x", "<pre>\n```\n</pre>",
		"<ul><li><p>a<p>b<ol><li>c", "<a href='https://x/*y*'>*y*</a>", "> a\n> > b\n\nOn 1 May, x wrote:\n> c", "-- \nx", "\xff\u200d👩‍👩‍👧‍👦🇩🇪e\u0301",
		"| a | b |\n|---|---|\n| 1 | 2 |", "<b> </b><b>*</b>", "a<br><br>&nbsp;<hr>--&nbsp;<br>", "From: a\nSent: b\nTo: c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []formatting.Format{formatting.Plain, formatting.Markdown, formatting.HTML} {
			got, err := formatting.Convert(text, format)
			if err != nil && !errors.Is(err, formatting.ErrTooDeep) {
				t.Fatalf("%s: %v", format, err)
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s: %q is not valid", format, got)
			}
			if got != strings.TrimSpace(got) {
				t.Errorf("%s: white space around %q", format, got)
			}
		}
		once, _ := formatting.Convert(text, formatting.Plain)
		if twice, _ := formatting.Convert(once, formatting.Plain); twice != once {
			t.Errorf("plain text is not left as it is:\n%q\n%q", once, twice)
		}
		// Without colons nothing introduces a quote, and without lines nothing is a signature: every word has to stay.
		words := strings.ToValidUTF8(text, "\ufffd")
		words = strings.Join(strings.Fields(strings.NewReplacer(":", " ", "：", " ").Replace(words)), " ")
		got, err := formatting.Convert("<p>"+html.EscapeString(words)+"</p>", formatting.HTML)
		if diff := cmp.Diff(letters(words), letters(got)); err != nil || diff != "" {
			t.Errorf("text was lost, %v (-want +got):\n%s", err, diff)
		}
	})
}

// letters returns what no conversion may change.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if r == 'ˋ' || r == 'ˍ' {
			return -1
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.In(r, unicode.So) {
			return r
		}
		return -1
	}, text)
}
