/* ticker.worker.ts - see ticker.ts. */
onmessage = (event: MessageEvent<number>) => {
  setInterval(() => postMessage(null), event.data);
};
