package conversation_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

const family = "👩‍👩‍👧‍👦"

func TestSplitKeepsTogether(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for name, tc := range map[string]struct {
		text  string
		limit int
		want  []string
	}{
		"a family":           {x(15) + family, 20, []string{x(15), family}},
		"flags":              {strings.Repeat("🇩🇪", 6), 22, []string{strings.Repeat("🇩🇪", 5), "🇩🇪"}},
		"a combining mark":   {x(19) + "e\u0301", 20, []string{x(19), "e\u0301"}},
		"right to left":      {"שלום לכולם " + "ברוכים הבאים", 20, []string{"שלום לכולם ברוכים", "הבאים"}},
		"no spaces":          {"这是一个很长的句子,没有任何空格可以用来分开", 20, []string{"这是一个很长的句子,没有任何空格可以用来", "分开"}},
		"bold":               {"see *one two three four* end", 20, []string{"see *one two*", "*three four* end"}},
		"bold and italic":    {"*one _two three four five six_ seven*", 22, []string{"*one _two three_*", "*_four five six_*", "*seven*"}},
		"a long bold word":   {"*" + x(30) + "*", 20, []string{"*" + x(15) + "*", "*" + x(15) + "*"}},
		"no bold":            {"2 * 3 four five * six seven", 20, []string{"2 * 3 four five *", "six seven"}},
		"code over lines":    {"```one\n  two\n  three\n  four```", 20, []string{"```one\n  two```", "```  three\n  four```"}},
		"a quote":            {"> one two three fours five\nsix", 20, []string{"> one two three", "> fours five\nsix"}},
		"at a line break":    {"one two three\nfour five six", 20, []string{"one two three\nfour", "five six"}},
		"at a late break":    {"one two three fou\nx five six", 20, []string{"one two three fou", "x five six"}},
		"characters of two":  {strings.Repeat("😀", 12), 20, []string{strings.Repeat("😀", 10), "😀😀"}},
		"a monstrous letter": {"a" + strings.Repeat("\u0301", 30), 20, []string{"a" + strings.Repeat("\u0301", 19), strings.Repeat("\u0301", 11)}},
	} {
		if diff := cmp.Diff(tc.want, conversation.Split(tc.text, tc.limit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "one two three four five six seven eight nine ten eleven twelve", strings.Repeat("x", 100), strings.Repeat(family, 20),
		"*" + strings.Repeat("word ", 30) + "end*", "*a _b ~c `" + strings.Repeat("d", 60) + "`~_*", "```" + strings.Repeat("code\n", 30) + "```",
		"> " + strings.Repeat("quoted ", 20), strings.Repeat("שלום ", 30), strings.Repeat("🇩🇪", 30), "a" + strings.Repeat("\u0301", 90),
		"``` " + strings.Repeat(" ", 50) + "x```", strings.Repeat("*a* ", 40), " \u0301" + strings.Repeat(" \u0301", 50), "\xff\xfe",
	} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(17))
	}
	f.Fuzz(func(t *testing.T, text string, more uint8) {
		if !utf8.ValidString(text) {
			t.Skip("texts are made valid before they are stored")
		}
		limit := 24 + int(more)
		parts := conversation.Split(text, limit)
		for i, part := range parts {
			if n := conversation.Length(part); n > limit {
				t.Errorf("part %d has %d characters of %d: %q", i, n, limit, part)
			}
			if !utf8.ValidString(part) || (part == "" && len(parts) > 1) {
				t.Errorf("part %d is %q", i, part)
			}
		}
		if conversation.Length(text) <= limit && strings.TrimSpace(parts[0]) != strings.TrimSpace(text) {
			t.Errorf("a short text was changed: %q", parts)
		}
		if diff := cmp.Diff(content(text), content(strings.Join(parts, ""))); diff != "" {
			t.Errorf("text was lost or torn (-want +got):\n%s\n%q", diff, parts)
		}
		if torn := longest(text) <= limit/2 && !same(clusters(text), clusters(parts...)); torn {
			t.Errorf("a character was torn: %q", parts)
		}
	})
}

// content returns a text without what Split may drop or add.
func content(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("*_~`>", r) {
			return -1
		}
		return r
	}, text)
}

// clusters counts what a reader sees as one character, without what Split may drop or add.
func clusters(texts ...string) map[string]int {
	seen := map[string]int{}
	for _, text := range texts {
		for g := uniseg.NewGraphemes(text); g.Next(); {
			if shown := content(g.Str()); shown != "" {
				seen[shown]++
			}
		}
	}
	return seen
}

func same(a, b map[string]int) bool { return cmp.Equal(a, b) }

func longest(text string) (n int) {
	for g := uniseg.NewGraphemes(text); g.Next(); {
		n = max(n, conversation.Length(g.Str()))
	}
	return n
}
