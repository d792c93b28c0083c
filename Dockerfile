# The server, for production: Node 24 on Debian 13, as a user without rights. The database is another's: DATABASE_URL names it.
#
#   docker build -t versioncheck --build-arg COMMIT=$(git rev-parse HEAD) .
#   docker run -p 8080:8080 -v versioncheck-files:/files -v versioncheck-data:/data -e DATABASE_URL=mysql://… -e SITE_URL=https://… versioncheck
#
# docs/operations.md has the rest.

FROM node:24-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Of the HTTP library's binaries the image needs those that its Node can load: 14 of 210 MB.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && find node_modules/uWebSockets.js -name 'uws_*.node' ! -name "uws_linux_*_$(node -p process.versions.modules).node" -delete \
 && rm -r node_modules/uws-unofficial

FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY deploy/build.mjs deploy/
COPY service service
COPY loadtest loadtest
COPY sql sql
# What /__version__ says.
ARG COMMIT= SOURCE= BUILD_URL=
RUN node deploy/build.mjs \
 && rm -r dist/loadtest dist/sample dist/service/sample \
 && chmod +x dist/service/catalog.js

FROM node:24-trixie-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 FILES_DIR=/files DATA_DIR=/data
# Huge pages for what is held in memory, where the kernel gives them to those who ask.
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY deploy/healthcheck.mjs deploy/
RUN ln -s /app/dist/service/catalog.js /usr/local/bin/catalog \
 && install -d -o node -g node /files /data
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["node", "deploy/healthcheck.mjs"]
CMD ["node", "dist/service/main.js"]
