package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

const name = "support-receiver.helpdesk.svc"

var start = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func renew(t *testing.T, given Files, name string, now time.Time) Files {
	t.Helper()
	files, next, err := Renew(given, name, now)
	if err != nil {
		t.Fatal(err)
	}
	if !next.After(now) {
		t.Fatalf("the files are to be looked at again at %s, which is over at %s", next, now)
	}
	return files
}

// accepts reports whether a client that trusts some files' authorities accepts the certificate of others.
func accepts(t *testing.T, trusting, shown Files, name string, now time.Time) bool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(trusting.Trusted) {
		t.Fatal("nothing is trusted")
	}
	pair, err := tls.X509KeyPair(shown.Certificate, shown.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
	return err == nil
}

func TestAGoodCertificateIsKept(t *testing.T) {
	files := renew(t, Files{}, name, start)
	for _, days := range []int{0, 1, 59} {
		at := start.AddDate(0, 0, days)
		if again := renew(t, files, name, at); !again.Equal(files) {
			t.Errorf("after %d days the files were made anew", days)
		}
		if !accepts(t, files, files, name, at) {
			t.Errorf("after %d days the certificate is not accepted", days)
		}
	}
	if accepts(t, files, files, "other-receiver.helpdesk.svc", start) {
		t.Error("the certificate is good for another name")
	}
}

func TestARenewalChangesNothingForClients(t *testing.T) {
	old := renew(t, Files{}, name, start)
	at := start.Add(life - renewBefore)
	renewed := renew(t, old, name, at)
	if renewed.Equal(old) {
		t.Fatal("the certificate was not renewed a month before its end")
	}
	for what, accepted := range map[string]bool{
		"the new certificate by old clients": accepts(t, old, renewed, name, at),
		"the old certificate by new clients": accepts(t, renewed, old, name, at),
	} {
		if !accepted {
			t.Errorf("%s is refused", what)
		}
	}
}

func TestAnAuthorityIsReplacedBeforeItsEndAndTrustedUntilThen(t *testing.T) {
	at := start
	files := renew(t, Files{}, name, at)
	first := files
	for at.Before(start.Add(authorityLife - life)) {
		at = at.Add(life - renewBefore)
		renewed := renew(t, files, name, at)
		if !accepts(t, renewed, files, name, at) {
			t.Fatalf("at %s the certificate of before is refused, which the receiver may still show", at)
		}
		files = renewed
	}
	if bytes.Equal(files.AuthorityKey, first.AuthorityKey) {
		t.Fatalf("at %s the first authority still issues, though it ends before its certificates", at)
	}
	if accepts(t, first, files, name, at) {
		t.Fatal("the certificate is one of the first authority")
	}
	if later := renew(t, files, name, at); !later.Equal(files) {
		t.Error("files with two authorities are not kept")
	}
}

func TestWhatIsBrokenIsMadeAnew(t *testing.T) {
	good, other := renew(t, Files{}, name, start), renew(t, Files{}, name, start)
	for what, broken := range map[string]Files{
		"nothing":                 {},
		"no authority":            {AuthorityKey: good.AuthorityKey, Certificate: good.Certificate, Key: good.Key},
		"no key of the authority": {Trusted: good.Trusted, Certificate: good.Certificate, Key: good.Key},
		"another authority's key": {Trusted: good.Trusted, AuthorityKey: other.AuthorityKey, Certificate: good.Certificate, Key: good.Key},
		"another authority":       {Trusted: other.Trusted, AuthorityKey: other.AuthorityKey, Certificate: good.Certificate, Key: good.Key},
		"no certificate":          {Trusted: good.Trusted, AuthorityKey: good.AuthorityKey},
		"another key":             {Trusted: good.Trusted, AuthorityKey: good.AuthorityKey, Certificate: good.Certificate, Key: other.Key},
		"no PEM":                  {Trusted: []byte("x"), AuthorityKey: []byte("x"), Certificate: []byte("x"), Key: []byte("x")},
		"another name":            renew(t, Files{}, "sales-receiver.helpdesk.svc", start),
		"long over":               renew(t, Files{}, name, start.Add(-2*life)),
	} {
		files := renew(t, broken, name, start)
		if files.Equal(broken) || !accepts(t, files, files, name, start) {
			t.Errorf("%s: the files are no good", what)
		}
		if again := renew(t, files, name, start); !again.Equal(files) {
			t.Errorf("%s: the files are made anew again and again", what)
		}
	}
}
