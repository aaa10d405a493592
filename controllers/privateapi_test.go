package controllers_test

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var _ = Describe("The private API of a receiver", func() {
	var f *fixture
	BeforeEach(func() { f = newFixture() })

	read := func() *corev1.Secret {
		GinkgoHelper()
		secret := &corev1.Secret{}
		f.get("support-api", secret)
		return secret
	}
	// verify fails unless clients that trust one Secret's authority accept the certificate of another.
	verify := func(trusting, shown *corev1.Secret) {
		GinkgoHelper()
		roots := x509.NewCertPool()
		Expect(roots.AppendCertsFromPEM(trusting.Data["ca.crt"])).To(BeTrue())
		pair, err := tls.X509KeyPair(shown.Data["tls.crt"], shown.Data["tls.key"])
		Expect(err).NotTo(HaveOccurred())
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "support-receiver." + f.namespace + ".svc", CurrentTime: clock.Now()})
		Expect(err).NotTo(HaveOccurred())
	}

	It("has a certificate, which is renewed before its end while the rest stays as it is", func() {
		channel := f.createReady()
		before := read()
		verify(before, before)
		generation := f.deployment().Generation

		clock.Step(61 * 24 * time.Hour)
		f.poke(channel)
		Eventually(func() []byte { return read().Data["tls.crt"] }).ShouldNot(Equal(before.Data["tls.crt"]))
		after := read()
		verify(before, after)
		verify(after, before)
		for _, kept := range []string{"ca.crt", config.StatusTokenFile, config.APITokenFile} {
			Expect(after.Data[kept]).To(Equal(before.Data[kept]), kept)
		}
		Expect(f.deployment().Generation).To(Equal(generation))
	})

	authority := func() *corev1.Secret {
		GinkgoHelper()
		secret := &corev1.Secret{}
		f.get("support-authority", secret)
		return secret
	}

	It("keeps the key of its authority apart, where an earlier version kept it with the tokens", func() {
		channel := f.createReady()
		complete, key := read(), authority().Data["ca.key"]
		Expect(complete.Data).NotTo(HaveKey("ca.key"))
		Expect(key).NotTo(BeEmpty())

		operator.stop()
		Expect(api.Delete(f.ctx, authority())).To(Succeed())
		old := complete.DeepCopy()
		old.Data["ca.key"] = key
		Expect(api.Patch(f.ctx, old, client.MergeFrom(complete))).To(Succeed())
		operator = startOperator()
		Eventually(func() map[string][]byte { return read().Data }).ShouldNot(HaveKey("ca.key"))
		Expect(authority().Data).To(Equal(map[string][]byte{"ca.key": key}))
		Expect(metav1.IsControlledBy(authority(), channel)).To(BeTrue())
		Expect(read().Data).To(Equal(complete.Data), "nothing had to be issued")

		By("issuing with it later")
		clock.Step(61 * 24 * time.Hour)
		f.poke(channel)
		Eventually(func() []byte { return read().Data["tls.crt"] }).ShouldNot(Equal(complete.Data["tls.crt"]))
		Expect(read().Data["ca.crt"]).To(Equal(complete.Data["ca.crt"]))
		verify(complete, read())
	})

	It("gets another authority where the key of its own was deleted, and trusts both", func() {
		f.createReady()
		before := read()
		key := authority().Data["ca.key"]
		Expect(api.Delete(f.ctx, authority())).To(Succeed())
		Eventually(func() map[string][]byte { return read().Data }).ShouldNot(HaveKeyWithValue("ca.crt", before.Data["ca.crt"]))
		Expect(authority().Data["ca.key"]).NotTo(Equal(key))
		verify(read(), before)
		verify(read(), read())
		Expect(read().Data[config.APITokenFile]).To(Equal(before.Data[config.APITokenFile]))
	})

	It("gets a certificate where an earlier version made only its tokens", func() {
		channel := f.createReady()
		complete := read()
		old := complete.DeepCopy()
		old.Data = map[string][]byte{config.StatusTokenFile: complete.Data[config.StatusTokenFile], config.APITokenFile: complete.Data[config.APITokenFile]}
		Expect(api.Patch(f.ctx, old, client.MergeFrom(complete))).To(Succeed())
		Eventually(func() map[string][]byte { return read().Data }).Should(HaveKey("tls.crt"))
		Expect(read().Data[config.APITokenFile]).To(Equal(complete.Data[config.APITokenFile]))
		verify(read(), read())
		Eventually(f.condition(channel, v1alpha1.ConditionReady)).Should(beTrue(v1alpha1.ReasonReady))
	})

	It("gets other tokens and another certificate when its Secret is deleted", func() {
		f.createReady()
		before := read()
		Expect(api.Delete(f.ctx, before.DeepCopy())).To(Succeed())
		Eventually(func(g Gomega) {
			after := &corev1.Secret{}
			g.Expect(api.Get(f.ctx, client.ObjectKeyFromObject(before), after)).To(Succeed())
			for _, key := range []string{"ca.crt", "tls.crt", "tls.key", config.StatusTokenFile, config.APITokenFile} {
				g.Expect(after.Data[key]).NotTo(BeEmpty(), key)
				g.Expect(after.Data[key]).NotTo(Equal(before.Data[key]), key)
			}
		}).Should(Succeed())
	})
})
