#!/bin/sh
# Ask over HTTP: sh examples/http.sh [URL]
url=${1:-http://127.0.0.1:8000}

# Wait for the decision
curl -s "$url/v1/deliberations" \
  -d '{"role": "DEV", "text": "Name two ways to test a clock", "task_id": "clock-http"}'
echo

# Read it at any later time; the same id is never deliberated twice
curl -s "$url/v1/deliberations/clock-http" | head -c 60
echo
