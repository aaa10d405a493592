package helpdesk

import "context"

type callKey struct{}

// WithCallKey names a call for good: a repetition has the same key, and no other call has it.
func WithCallKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, callKey{}, key)
}

// CallKey returns what names the call that a context belongs to, for helpdesks that cannot look for what was done.
func CallKey(ctx context.Context) string {
	key, _ := ctx.Value(callKey{}).(string)
	return key
}
