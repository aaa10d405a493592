package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

func (p *program) rotateVerifyToken() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-verify-token CHANNEL",
		Short: "Have another verify token made, and wait until that is done",
		Long: "Ask the operator for another verify token by the annotation " + v1alpha1.RotateVerifyTokenAtAnnotation + ",\n" +
			"which is the only thing of the channel that is changed, and wait until the token is there. The one before is valid\n" +
			"until Meta has made its handshake with the new one, or for 24 hours.",
		Example: "  kubectl whatsapp rotate-verify-token support",
		Args:    exactlyOne("the name of a channel"), ValidArgsFunction: p.completeChannels,
	}
	p.timeoutFlag(c, 2*time.Minute)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, channel, err := p.channel(c.Context(), args[0])
		if err != nil {
			return err
		}
		if own := channel.Spec.Callback.VerifyTokenSecretRef; own != nil {
			return fmt.Errorf("spec.callback.verifyTokenSecretRef names a verify token of your own; change it in the Secret %s", own.Name)
		}
		key, request := client.ObjectKeyFromObject(channel), p.Now().UTC().Format(time.RFC3339Nano)
		if err := cl.Annotate(c.Context(), key, v1alpha1.RotateVerifyTokenAtAnnotation, request); err != nil {
			return err
		}
		err = p.follow(c.Context(), func(ctx context.Context) (progress, error) {
			channel, err := cl.Channel(ctx, key)
			if err != nil {
				return progress{}, err
			}
			asked := channel.Annotations[v1alpha1.RotateVerifyTokenAtAnnotation]
			if asked != request && channel.Status.LastHandledRotation != request {
				return progress{}, errors.New("somebody else changed the annotation meanwhile; look with `kubectl get wac -o yaml`")
			}
			return progress{channel.Status.LastHandledRotation == request, "the operator has not made another verify token yet"}, nil
		})
		if err != nil {
			return err
		}
		next := "the operator has Meta make its handshake with it"
		if channel.Spec.Callback.Registration != v1alpha1.RegistrationAutomatic {
			next = "Meta asks for it the next time that the callback URL is saved there, and `kubectl whatsapp setup " + key.Name + "` shows it"
		}
		_, err = fmt.Fprintf(p.Out, "%s/%s has another verify token; %s\n", key.Namespace, key.Name, next)
		return err
	}
	return c
}
