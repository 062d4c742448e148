# Forebay as a container: Node 26, the sources as they are, production dependencies alone, not root.
#   docker build -t forebay . && docker run -p 8080:8080 -v ./my.yaml:/app/proxy.config.yaml:ro --stop-timeout 20 forebay
# In the file `origin` is as the container sees it: 127.0.0.1 is the container itself.
FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compiled
COPY package.json package-lock.json LICENSE ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force
COPY src ./src
COPY proxy.config.yaml ./
RUN install -d -o node /app/.compiled
USER node
# Runs once, until it listens, for nothing but what it compiles: a container then starts in half the time, and without the
# stripper of types. That may take long: an image for another architecture is built on an emulated machine.
RUN sh -c 'echo $$; exec timeout 600 node src/main.ts --redis redis://127.0.0.1:1 --listen 127.0.0.1:0 --admin 127.0.0.1:0' \
  | { read pid && grep -m1 '"msg":"listening"' && kill "$pid" && cat; } && find /app/.compiled -type f | grep -q .
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Degraded (Redis away) is healthy: requests are still answered. Only a process that does not answer is not.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8081/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["--listen", ":8080", "--admin", ":8081"]
