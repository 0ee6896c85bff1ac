// Reads {name: html} from stdin, writes {name: {feature: [mail programs that cannot show it]}}.
import { readFileSync } from 'node:fs';
import { caniemail } from 'caniemail';

const clients = ['apple-mail.*', 'gmail.*', 'outlook.*', 'yahoo.*'];
const found = {};
for (const [name, html] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
  found[name] = {};
  for (const [client, features] of caniemail({ clients, html }).issues.errors) {
    for (const { title } of features) {
      (found[name][title] ??= []).push(client);
    }
  }
}
console.log(JSON.stringify(found));
