package command_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/command"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

const question = "Hello! Where is my parcel?"

func TestKubectlWhatsapp(t *testing.T) {
	b := newBench(t)
	t.Run("an agent answers a customer", func(t *testing.T) { b.t = t; b.agentAnswers() })
	t.Run("a reply that may have been taken", func(t *testing.T) { b.t = t; b.doubts() })
	t.Run("a file that does not come whole", func(t *testing.T) { b.t = t; b.savesWholeFiles() })
	t.Run("an admin tests the channel", func(t *testing.T) { b.t = t; b.adminTests() })
	t.Run("an admin sets the channel up", func(t *testing.T) { b.t = t; b.adminSetsUp() })
	t.Run("an admin rotates the verify token", func(t *testing.T) { b.t = t; b.adminRotates() })
	t.Run("what waits for a person", func(t *testing.T) { b.t = t; b.settles() })
	t.Run("the status", func(t *testing.T) { b.t = t; b.tellsStatus() })
	t.Run("without rights", func(t *testing.T) { b.t = t; b.namesRights() })
	t.Run("a receiver of somebody else", func(t *testing.T) { b.t = t; b.distrusts() })
	t.Run("without a receiver", func(t *testing.T) { b.t = t; b.missesReceiver() })
	t.Run("completion", func(t *testing.T) { b.t = t; b.completes() })
	b.t = t
}

func (b *bench) agentAnswers() {
	b.expect(command.ExitDone, b.run(b.agent, "tickets"), "There are no such tickets in the built-in inbox.")
	customer := b.meta.Customer("+49 151 23456789", "Erika Mustermann")
	customer.Says(b.number.ID, question)
	b.eventually("a ticket", func() bool { return strings.Contains(b.run(b.agent, "tickets").out, "support/1") })
	b.expect(command.ExitDone, b.run(b.agent, "tickets", "support", "--state", "open"), "Erika Mustermann", "open", "for 2")
	if got := b.run(b.agent, "tickets", "-o", "name").out; got != "support/1\n" {
		b.t.Errorf("the names of the tickets: %q", got)
	}
	var list wire.Tickets
	b.must(json.Unmarshal([]byte(b.run(b.agent, "tickets", "-o", "json").out), &list))
	if len(list.Tickets) != 1 || list.Tickets[0].Customer.Phone != "4915123456789" {
		b.t.Errorf("the tickets as JSON: %+v", list)
	}
	b.expect(command.ExitDone, b.run(b.agent, "show", "support/1"), question, "2nd Level", "accepted until")

	file := filepath.Join(b.t.TempDir(), "bill.txt")
	b.must(os.WriteFile(file, []byte("You owe us nothing."), 0o600))
	answered := b.expect(command.ExitDone, b.run(b.agent, "reply", "1", "It is **near**.", "--format", "markdown", "--attach", file, "--wait"),
		"key: ", "the reply on support/1 is delivered")
	_, key, _ := strings.Cut(answered.err, "key: ")
	key, _, _ = strings.Cut(key, "\n")
	b.expect(command.ExitDone, b.run(b.agent, "reply", "1", "It is **near**.", "--format", "markdown", "--attach", file, "--key", key))
	b.expect(command.ExitDone, b.runWith(b.agent, "Bye!", b.dial, "reply", "support/1", "-", "--wait"))
	var received []string
	for _, m := range customer.Received() {
		received = append(received, m.Text+m.Caption)
	}
	if got := strings.Join(received, "|"); len(received) != 2 || !strings.Contains(got, "It is *near*.") || received[1] != "Bye!" {
		b.t.Errorf("the customer received %q", received)
	}
	folder := b.t.TempDir()
	b.expect(command.ExitDone, b.run(b.agent, "show", "1", "--save", folder), "bill.txt", "saved")
	if saved, err := os.ReadFile(filepath.Join(folder, "1-bill.txt")); err != nil || string(saved) != "You owe us nothing." {
		b.t.Errorf("the saved file: %q, %v", saved, err)
	}

	for _, step := range []struct{ command, state string }{{"pending", "pending"}, {"reopen", "open"}, {"close", "closed"}} {
		b.expect(command.ExitDone, b.run(b.agent, step.command, "support/1"), "support/1 is "+step.state)
	}
	b.expect(command.ExitFailed, b.run(b.agent, "show", "99"), "There is no ticket with this ID.")
	b.expect(command.ExitUsage, b.run(b.agent, "show", "support/x"), "CHANNEL/NUMBER")
	b.expect(command.ExitUsage, b.run(b.agent, "reply", "1"), "nothing to send")
	b.expect(command.ExitUsage, b.run(b.agent, "tickets", "-o", "xml"), "--output is one of wide, json, yaml, name")
	b.expect(command.ExitUsage, b.run(b.agent, "tickets", "--state", "new"), "--state is one of open, pending, closed")
	b.expect(command.ExitUsage, b.run(b.agent, "reply", "1", "Hello", "--format", "rtf"), "--format is one of plain, markdown, html")
	b.expect(command.ExitFailed, b.run(b.agent, "tickets", "sales"), `there is no channel "sales"`)
}

// doubts replies where it is not clear whether the reply was taken, and where it is.
func (b *bench) doubts() {
	const unclear = "it is not clear whether the reply was taken, so repeat it with --key"
	failing := b.answering(http.StatusServiceUnavailable)
	b.expect(command.ExitFailed, b.runWith(b.agent, "", failing, "reply", "1", "Hello"), unclear, "try again")
	for what, r := range map[string]result{
		"a receiver that refuses it": b.runWith(b.agent, "", b.answering(http.StatusUnprocessableEntity), "reply", "1", "Hello"),
		"a volume without room":      b.runWith(b.agent, "", b.answering(http.StatusInsufficientStorage), "reply", "1", "Hello"),
		"a file that is not there":   b.run(b.agent, "reply", "1", "Hello", "--attach", filepath.Join(b.t.TempDir(), "bill.pdf")),
		"a receiver out of reach":    b.runWith(b.agent, "", unreachable, "reply", "1", "Hello"),
		"somebody without the right": b.runWith(b.onlooker, "", nil, "reply", "1", "Hello"),
		"a file that goes nowhere":   b.runWith(b.agent, "", unreachable, "reply", "1", "--attach", "command_test.go"),
	} {
		if r.code == command.ExitDone || strings.Contains(r.err, unclear) {
			b.t.Errorf("%s: exit code %d, %s", what, r.code, r.err)
		}
	}
}

func unreachable(context.Context, types.NamespacedName, int32) (net.Conn, error) {
	return nil, errors.New("no route to host")
}

// answering dials a receiver that answers everything with a status.
func (b *bench) answering(status int) cluster.Dial {
	b.t.Helper()
	return b.serving(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error": {"code": "code", "message": "The receiver says: try again."}}`)
	})
}

// savesWholeFiles saves a file whose transfer ends in the middle.
func (b *bench) savesWholeFiles() {
	const path = "/v1/tickets/1/attachments/a"
	failing := b.serving(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "not all of it")
			return
		}
		_ = json.NewEncoder(w).Encode(wire.Ticket{ID: 1, Articles: []wire.Article{{
			ID: "w", Attachments: []wire.Attachment{{ID: "a", Kind: "document", Name: "bill.pdf", State: "kept", Path: path}},
		}}})
	})
	folder := b.t.TempDir()
	b.expect(command.ExitFailed, b.runWith(b.agent, "", failing, "show", "1", "--save", folder), "unexpected EOF")
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		b.t.Errorf("the folder holds %v, %v", left, err)
	}
}

// serving dials a receiver that answers as a test says.
func (b *bench) serving(answer http.HandlerFunc) cluster.Dial {
	b.t.Helper()
	certificate, key, err := b.authority.Issue("support-receiver.helpdesk.svc")
	b.must(err)
	pair, err := tls.X509KeyPair(certificate, key)
	b.must(err)
	server := httptest.NewUnstartedServer(answer)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	b.t.Cleanup(server.Close)
	return func(ctx context.Context, _ types.NamespacedName, _ int32) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
}

func (b *bench) adminTests() {
	done := b.expect(command.ExitDone, b.run(b.admin, "send-test", "support"), "stored:", "the message is on the ticket support/2")
	b.expect(command.ExitDone, b.run(b.agent, "show", "support/2"), "TEST (kubectl whatsapp send-test)", "No customer wrote it")
	if strings.Contains(done.out+done.err, appSecret) {
		b.t.Error("the app secret is shown")
	}
	// Past the public URL, which leads nowhere.
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.CallbackURL = "https://wa.example.invalid/helpdesk/support" })
	b.expect(command.ExitDone, b.run(b.admin, "send-test", "support", "--direct", "--text", "Second"), "on the ticket support/2")
	b.expect(command.ExitFailed, b.run(b.admin, "send-test", "support"), "stuck at the step")
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.CallbackURL = b.url() + "/elsewhere" })
	b.expect(command.ExitFailed, b.run(b.admin, "send-test", "support"), "stuck at the step callback URL", "404")
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.CallbackURL = b.url() })
	// Agents cannot read the app secret.
	b.expect(command.ExitDenied, b.run(b.agent, "send-test", "support"), `resourceNames: ["whatsapp-support"], verbs: ["get"]`)
}

func (b *bench) adminSetsUp() {
	b.expect(command.ExitDone, b.run(b.admin, "setup", "support"), "nothing left to do", verifyToken, b.url())
	b.register(metav1.ConditionFalse)
	b.expect(command.ExitNotReady, b.run(b.admin, "setup", "support"), "paste", b.url(), verifyToken)
	b.expect(command.ExitNotReady, b.run(b.admin, "setup", "support", "--wait", "--timeout", "50ms"), "gave up after 50ms")
	b.expect(command.ExitDenied, b.run(b.agent, "setup", "support"), `resourceNames: ["support-verify-token"]`)
	waited := make(chan result)
	go func() { waited <- b.run(b.admin, "setup", "support", "--wait") }()
	b.register(metav1.ConditionTrue)
	b.expect(command.ExitDone, <-waited, "nothing left to do")
	b.adminWaitsForTheStrings()
}

// adminWaitsForTheStrings waits from the beginning, when there is nothing to paste yet.
func (b *bench) adminWaitsForTheStrings() {
	b.register(metav1.ConditionFalse)
	token := b.channel.Status.VerifyTokenSecretRef
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.VerifyTokenSecretRef = nil })
	var out, said syncbuffer.Buffer
	ended := make(chan int)
	go func() {
		ended <- command.Run(b.t.Context(), []string{"--kubeconfig", b.admin, "-n", "helpdesk", "setup", "support", "--wait"}, command.Options{
			In: strings.NewReader(""), Out: &out, Err: &said, Watched: true, Now: time.Now, Interval: 5 * time.Millisecond, Dial: b.dial,
		})
	}()
	b.eventually("it waits", func() bool { return strings.Contains(said.String(), "waiting: ") })
	if strings.Contains(out.String(), verifyToken) {
		b.t.Error("a token is shown that there is not")
	}
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.VerifyTokenSecretRef = token })
	b.eventually("the strings to paste", func() bool { return strings.Contains(out.String(), "Verify token\n"+verifyToken) })
	b.register(metav1.ConditionTrue)
	if code := <-ended; code != command.ExitDone || strings.Count(out.String(), "and paste:") != 1 {
		b.t.Errorf("exit code %d, %s%s", code, out.String(), said.String())
	}
}

func (b *bench) adminRotates() {
	b.expect(command.ExitDenied, b.run(b.agent, "rotate-verify-token", "support"), `verbs: ["patch"]`)
	b.expect(command.ExitNotReady, b.run(b.admin, "rotate-verify-token", "support", "--timeout", "3s"), "gave up after 3s", "not made another verify token yet")
	rotated := make(chan result)
	before := b.request()
	go func() { rotated <- b.run(b.admin, "rotate-verify-token", "support") }()
	b.eventually("another request", func() bool { return b.request() != before })
	asked := b.request()
	b.setStatus(func(s *v1alpha1.WhatsAppChannelStatus) { s.LastHandledRotation = asked })
	b.expect(command.ExitDone, <-rotated, "helpdesk/support has another verify token", "the next time that the callback URL is saved")
	if generation := b.channel.Generation; generation != 1 {
		b.t.Errorf("the spec was changed: generation %d", generation)
	}
}

// request is the latest request for another verify token.
func (b *bench) request() string {
	b.t.Helper()
	b.must(b.api.Get(b.t.Context(), client.ObjectKeyFromObject(b.channel), b.channel))
	return b.channel.Annotations[v1alpha1.RotateVerifyTokenAtAnnotation]
}

func (b *bench) settles() {
	b.expect(command.ExitDone, b.run(b.agent, "dead-letters"), "There are no dead letters.")
	b.expect(command.ExitFailed, b.run(b.agent, "replay", "support/1"), "There is no dead letter with this ID.")
	b.expect(command.ExitDone, b.run(b.agent, "quarantine", "list"), "nothing in quarantine")
	foreign := b.meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: b.number.BusinessAccountID, DisplayPhoneNumber: "+1 631-555-1112"})
	b.meta.Customer("+49 151 23456789", "Erika Mustermann").Says(foreign.ID, "Wrong number")
	b.eventually("something in quarantine", func() bool { return strings.Contains(b.run(b.agent, "quarantine", "list").out, "other-number") })
	b.expect(command.ExitDone, b.run(b.agent, "quarantine", "show", "support/1"), "Wrong number")
	b.expect(command.ExitDone, b.run(b.agent, "quarantine", "replay", "1"), "support/1 is processed again")
	b.eventually("it is back in quarantine", func() bool { return strings.Contains(b.run(b.agent, "quarantine", "list").out, "other-number") })
	name := strings.TrimSpace(b.run(b.agent, "quarantine", "list", "-o", "name").out)
	b.expect(command.ExitDone, b.run(b.agent, "quarantine", "discard", name), name+" is discarded")
	b.expect(command.ExitFailed, b.run(b.agent, "quarantine", "show", name), "nothing in quarantine with this ID")
	b.expect(command.ExitUsage, b.run(b.agent, "quarantine", "burn"), `no command "burn"`)
}

func (b *bench) tellsStatus() {
	b.expect(command.ExitDone, b.run(b.agent, "status"), "NAME", "support", "yes", "+1 631-555-1111")
	b.expect(command.ExitDone, b.run(b.agent, "status", "support"), "helpdesk/support is ready.", "Webhook registered", "Last message")
	var status view.Status
	b.must(json.Unmarshal([]byte(b.run(b.agent, "status", "support", "-o", "json").out), &status))
	if !status.Ready || status.Receiver == nil || status.Receiver.PhoneNumberID != b.number.ID {
		b.t.Errorf("the status as JSON: %+v", status)
	}
	b.expect(command.ExitDenied, b.run(b.agent, "status", "-A"), "ClusterRole", `resources: ["whatsappchannels"], verbs: ["list"]`)
	b.register(metav1.ConditionFalse)
	b.expect(command.ExitNotReady, b.run(b.agent, "status", "support"), "helpdesk/support is not ready")
	b.register(metav1.ConditionTrue)
}

func (b *bench) namesRights() {
	b.expect(command.ExitDenied, b.run(b.nobody, "tickets", "support"), "you may not read the channel support in the namespace helpdesk",
		`{apiGroups: ["whatsapp-operator.io"], resources: ["whatsappchannels"], resourceNames: ["support"], verbs: ["get"]}`)
	b.expect(command.ExitFailed, b.run(filepath.Join(b.t.TempDir(), "none"), "tickets"), "the kubeconfig cannot be used")
	// Real port forwarding: no node runs the pod, so the API server can only say who may try.
	b.expect(command.ExitDenied, b.runWith(b.onlooker, "", nil, "tickets"), "you may not forward ports of pods in the namespace helpdesk",
		`{apiGroups: [""], resources: ["pods/portforward"], verbs: ["create"]}`)
	b.expect(command.ExitFailed, b.runWith(b.agent, "", nil, "tickets"), "the receiver in the pod support-receiver-0 could not be reached")
}

func (b *bench) distrusts() {
	other, err := stage.NewAuthority()
	b.must(err)
	b.certify(other)
	b.expect(command.ExitFailed, b.run(b.agent, "tickets"), "is not certified by the authority in the Secret support-api")
	b.certify(b.authority)
	b.expect(command.ExitDone, b.run(b.agent, "tickets"))
}

// certify lets clients trust an authority.
func (b *bench) certify(a *stage.Authority) {
	b.t.Helper()
	var secret corev1.Secret
	b.must(b.api.Get(b.t.Context(), client.ObjectKey{Namespace: "helpdesk", Name: "support-api"}, &secret))
	secret.Data["ca.crt"] = a.PEM
	b.must(b.api.Update(b.t.Context(), &secret))
}

func (b *bench) missesReceiver() {
	b.setPodReady(corev1.ConditionFalse)
	before := b.dialling.Load()
	b.expect(command.ExitFailed, b.run(b.agent, "tickets"), "no receiver of the channel helpdesk/support runs at present")
	if b.dialling.Load() != before {
		b.t.Error("a pod that is not ready was called")
	}
	b.expect(command.ExitDone, b.run(b.agent, "status", "support"), "could not be asked")
	b.setPodReady(corev1.ConditionTrue)
}

func (b *bench) completes() {
	b.expect(command.ExitDone, b.run(b.agent, "__complete", "setup", ""), "support\n")
	b.expect(command.ExitDone, b.run(b.agent, "__complete", "show", ""), "support/\n")
}
