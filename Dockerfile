# One image holds the operator (/manager) and the receiver that Meta calls (/receiver).
# `make image` assembles the same files into the same layout without a Docker engine.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=0.0.0-dev
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X github.com/whatsapp-operator/whatsapp-operator/version.version=${VERSION}" \
      -o /out/ ./cmd/manager ./cmd/receiver

FROM scratch
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="whatsapp-operator" \
      org.opencontainers.image.description="WhatsApp support channels, declared in Kubernetes" \
      org.opencontainers.image.source="https://github.com/whatsapp-operator/whatsapp-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/manager /out/receiver /
USER 65532:65532
ENTRYPOINT ["/manager"]
