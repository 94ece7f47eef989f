// Packed data in the page: base64 of raw deflate in elements that no browser runs.

function bytesOf(text) {
  if (typeof Uint8Array.fromBase64 === 'function') return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place += 1) bytes[place] = letters.charCodeAt(place);
  return bytes;
}

// The bytes of a block. One that is read once can be let go of.
export async function block(id, once) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page was cut off: it has no ${id}`);
  const packed = bytesOf(element.textContent);
  if (once) element.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export const textOf = (bytes) => new TextDecoder().decode(bytes);
