// Package stage is the world that a WhatsAppChannel lives in, set up in a cluster for the demo and the end-to-end
// tests: Meta, which is the simulator of cloudapi/cloudapitest in a namespace of its own; Zammad, which is that of
// webhookserver/helpdesk/zammad/zammadtest in another; a certificate authority that they and the operator trust; and the
// operator, installed as users install it.
//
// Callback URLs are names of Services in the cluster, so that Meta reaches receivers over real TLS and without a public
// name. From outside, an [http.Client] of the cluster reaches the same Services by the same names.
package stage
